"""The verdict on problems that the translation has with other fields than annotations."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from xds.migrate.inventory import Inventory
from xds.migrate.subject import Subject
from xds.migrate.verdict import Verdict
from xds.problems.field_path import MapKey
from xds.problems.problem import Problem
from xds.problems.reasons import Level, Reason
from xds.translate.nginx.annotation import PREFIX
from xds.translate.nginx.paths_policy import ClosedPaths, IngressPolicy, LentPaths


@dataclass(frozen=True, slots=True)
class ProblemVerdict:
    """The verdict on a problem."""

    problem: Problem
    verdict: Verdict


_SAME_THERE: Final = frozenset(
    {
        Reason.BACKEND_NOT_FOUND,
        Reason.BACKEND_PORT_NOT_FOUND,
        Reason.CERTIFICATE_CHAIN_BROKEN,
        Reason.CERTIFICATE_CONFLICT,
        Reason.CERTIFICATE_EXPIRED,
        Reason.CERTIFICATE_EXPIRES_SOON,
        Reason.CERTIFICATE_NAMES_OTHERS,
        Reason.CERTIFICATE_NOT_YET_VALID,
        Reason.CERTIFICATE_UNUSED,
        Reason.CLASS_CONTRADICTED,
        Reason.ENDPOINT_PORT_MISSING,
        Reason.OCSP_STAPLE_INVALID,
        Reason.OCSP_STAPLE_OUTDATED,
        Reason.PATH_NOT_SEEN,
        Reason.PATTERN_IN_PATH,
        Reason.RESOURCE_BACKEND_UNSUPPORTED,
    }
)
"""Reasons of problems that ingress-nginx has, too, or for which it serves the same."""

_APPROXIMATE: Final = frozenset(
    {
        Reason.ALIAS_CONFLICT,
        Reason.COOKIE_PATH_REPLACED,
        Reason.HOST_WITHOUT_TLS,
        Reason.NO_DEFAULT_CERTIFICATE,
        Reason.PATH_CONFLICT,
        Reason.SECRET_INVALID,
        Reason.SECRET_NOT_FOUND,
        Reason.TLS_HOSTS_MISSING,
    }
)


def problem_verdicts(
    subject: Subject, inventory: Inventory, policy: IngressPolicy, problems: Iterable[Problem]
) -> Iterator[ProblemVerdict]:
    """The verdict on each problem of an Ingress that is not of an annotation of ingress-nginx that the Ingress has."""
    for each in problems:
        name = _annotation(each)
        if name is None or name.removeprefix(PREFIX) not in subject.annotations:
            yield ProblemVerdict(each, _verdict(each, name, subject, inventory, policy))


def _annotation(problem: Problem) -> str | None:
    """The annotation with the problem; None for another field."""
    match problem.field.parts:
        case ("metadata", "annotations", MapKey(name), *_):
            return name
    return None


def _verdict(
    problem: Problem, annotation: str | None, subject: Subject, inventory: Inventory, policy: IngressPolicy
) -> Verdict:
    if isinstance(policy, ClosedPaths) and annotation in policy.annotations:
        return Verdict.REFUSED
    if problem.reason is Reason.CANARY_UNUSED:
        owners = (inventory.primary(path) for path in subject.paths)
        is_foreign = any(owner and owner.key.namespace != subject.key.namespace for owner in owners)
        withheld = isinstance(policy, LentPaths) and bool(policy.protections)
        return Verdict.REFUSED if is_foreign or withheld else Verdict.EXACT
    if problem.reason is Reason.PATH_NOT_SEEN and problem.field.parts[-1:] == ("host",):
        return Verdict.APPROXIMATE  # a wildcard that is passed through, which takes no other host there
    if problem.reason in _SAME_THERE or (
        problem.reason is Reason.PATH_CONFLICT and not _is_owned_by_name(subject, inventory)
    ):
        return Verdict.EXACT
    is_served = problem.reason in _APPROXIMATE or problem.reason.level is Level.WARNING
    return Verdict.APPROXIMATE if is_served else Verdict.REFUSED


def _is_owned_by_name(subject: Subject, inventory: Inventory) -> bool:
    """Whether an Ingress shares a path with another of its age, of which ingress-nginx serves the last by name."""
    others = (each for path in subject.paths for each in inventory.owners.get(path[:3], ()) if each is not subject)
    return any(each.created == subject.created for each in others)
