"""The endpoint path: from changed EndpointSlices to the ClusterLoadAssignments of published backends.

No translation happens here, so an endpoint change overtakes routing that is under way.
"""

from collections.abc import Callable
from math import inf
from typing import Final

from xds.kube.pending import ChangeQueue
from xds.kube.state import KubeState
from xds.problems.problem import Key
from xds.resources.builder import Builder
from xds.resources.built import BuiltResources
from xds.translate.translator import Translator

ENDPOINT_CHUNK_CHANGES: Final = 50
"""Changes applied to the state at a time: less than a millisecond's worth."""


class EndpointPath:
    """Builds endpoints of published backends.

    Attributes:
        due: Services whose endpoints have to be built.
        touched: Services whose slices changed since the routing job last cleared the set.
    """

    def __init__(self, state: KubeState, translator: Translator, builder: Builder) -> None:
        self.due: dict[Key, None] = {}
        self.touched: set[Key] = set()
        self._state = state
        self._translator = translator
        self._builder = builder
        self._read_at = inf

    def work(self, queue: ChangeQueue, clock: Callable[[], float], until: float) -> tuple[BuiltResources, float]:
        """Apply and build the queued changes, at least one Service, until the clock shows `until`.

        Returns:
            The endpoints built, and when the oldest change among them was read.
        """
        built: BuiltResources = {}
        read_at = self._read_at
        while self.due or queue:
            if not self.due:
                read_at = min(read_at, queue.read_at)
                self._apply_chunk(queue)
            if self.due:
                service = next(iter(self.due))
                del self.due[service]
                for key in self._translator.published_of([service]):
                    built |= self._builder.endpoints(key, self._translator.published[key])
            if clock() >= until:
                break
        self._read_at = read_at if self.due else inf
        return built, read_at

    def _apply_chunk(self, queue: ChangeQueue) -> None:
        for _ in range(ENDPOINT_CHUNK_CHANGES):
            if not queue:
                break
            for stale in self._state.steps(queue.pop()):
                self.due |= dict.fromkeys(stale.endpoints)
                self.touched |= stale.endpoints
