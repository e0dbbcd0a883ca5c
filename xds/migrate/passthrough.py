"""The verdict on TLS passthrough that the translation has a problem with."""

from collections.abc import Iterable
from typing import Final

from xds.migrate.inventory import Inventory
from xds.migrate.subject import Subject
from xds.migrate.verdict import Verdict
from xds.problems.problem import Problem
from xds.problems.reasons import Reason

NAME: Final = "ssl-passthrough"

REASONS: Final = frozenset({Reason.PASSTHROUGH_OFF, Reason.PASSTHROUGH_CLOSED, Reason.PASSTHROUGH_CONFLICT})

_WITHOUT_SERVICE: Final = frozenset({Reason.BACKEND_NOT_FOUND, Reason.BACKEND_PORT_NOT_FOUND})


def passthrough_verdict(
    subject: Subject, inventory: Inventory, complaints: Iterable[Problem], problems: Iterable[Problem]
) -> Verdict:
    """The verdict on the annotation.

    Args:
        subject: The Ingress with the annotation.
        inventory: All Ingresses.
        complaints: About the annotation.
        problems: Of the Ingress.
    """
    reasons = {each.reason for each in complaints}
    if Reason.PASSTHROUGH_OFF in reasons:
        return Verdict.EXACT
    if NAME in subject.fates:  # ingress-nginx leaves the Ingress out
        return Verdict.APPROXIMATE
    if Reason.PASSTHROUGH_CONFLICT in reasons and not all(_is_passed_by_another(subject, inventory)):
        return Verdict.REFUSED
    is_without_service = any(each.reason in _WITHOUT_SERVICE for each in problems)
    if Reason.PASSTHROUGH_CLOSED in reasons and not is_without_service:
        has_root = any(inventory.root_owner(host) for host in subject.hosts)
        return Verdict.REFUSED if has_root else Verdict.EXACT
    return Verdict.EXACT


def _is_passed_by_another(subject: Subject, inventory: Inventory) -> Iterable[bool]:
    for host in subject.hosts:
        yield any(each.is_on(NAME) for name, each in inventory.neighbours(subject) if name == host)
