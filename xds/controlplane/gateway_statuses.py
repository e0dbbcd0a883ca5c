"""The statuses and Services of the Gateway API to write: as translated, and with the rejections of proxies."""

from collections.abc import Iterable, Mapping

from xds.problems.problem import ObjectRef, Problem
from xds.protocol.rejection.reports import RejectionReport
from xds.reporting.gateway_delta import NO_GATEWAY_DELTA, GatewayDelta
from xds.reporting.rejected_status import Rejection, rejections, with_rejections
from xds.translate.gateway.api import GatewayApi
from xds.translate.gateway.status import WantedStatus


class GatewayStatuses:
    """Collects the statuses and Services to write.

    Args:
        gateway: The translation.
        has_services: Whether Gateways have a Service each.
    """

    def __init__(self, gateway: GatewayApi, *, has_services: bool) -> None:
        self._gateway = gateway
        self._has_services = has_services
        self._rejections: dict[ObjectRef, tuple[Rejection, ...]] = {}
        self._changed: set[ObjectRef] = set()

    def note_rejections(self, found: Mapping[RejectionReport, Iterable[Problem]]) -> None:
        """Replace the rejections: the problems of each report."""
        before, self._rejections = self._rejections, rejections(found)
        objects = before.keys() | self._rejections.keys()
        self._changed |= {each for each in objects if before.get(each) != self._rejections.get(each)}

    def take_delta(self) -> GatewayDelta:
        """The changes since the last call."""
        changed, self._changed = self._changed | self._gateway.take_changed_statuses(), set()
        differs = self._gateway.take_changed_gateways() and self._has_services
        if not changed and not differs:
            return NO_GATEWAY_DELTA
        return GatewayDelta({each: self._status(each) for each in changed}, self._gateway.services if differs else None)

    def _status(self, about: ObjectRef) -> WantedStatus | None:
        status = self._gateway.statuses.get(about)
        return None if status is None else with_rejections(status, self._rejections.get(about, ()))
