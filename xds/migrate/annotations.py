"""The verdict on each annotation of an Ingress: the registry's, unless the translation has a problem with the value."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from xds.migrate.blocking import blocking
from xds.migrate.concerns import concerns
from xds.migrate.inventory import Inventory
from xds.migrate.passthrough import REASONS as OF_PASSTHROUGH
from xds.migrate.passthrough import passthrough_verdict
from xds.migrate.snippets import SnippetLine, lines
from xds.migrate.subject import Subject
from xds.migrate.values import READ, SNIPPETS, number
from xds.migrate.verdict import Verdict
from xds.problems.problem import Key, Problem, by_annotation
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.translate.nginx.annotation import PREFIX, AnyAnnotation, InvalidValueError, Scope
from xds.translate.nginx.annotation import Verdict as RegistryVerdict
from xds.translate.nginx.paths_policy import ClosedPaths, IngressPolicy, LentPaths
from xds.translate.nginx.registry import ANNOTATIONS


@dataclass(frozen=True, slots=True)
class AnnotationVerdict:
    """The verdict on an annotation.

    Attributes:
        name: Without the prefix.
        verdict: How close the annotation comes.
        text: The difference, or why the annotation is refused; empty for an exact one.
        remedy: What to do; empty if nothing is needed.
        lines: Of a snippet, each with the annotation that says the same.
        others: Other Ingresses of the hosts, for an annotation of the scope host.
        value: As written; empty for a snippet.
    """

    name: str
    verdict: Verdict
    text: str = ""
    remedy: str = ""
    lines: tuple[SnippetLine, ...] = ()
    others: tuple[Key, ...] = ()
    value: str = ""


_REFUSED: Final = frozenset({Reason.PROTECTION_UNAVAILABLE, Reason.BACKEND_PROTOCOL_UNSUPPORTED})
_SAME_THERE: Final = frozenset({Reason.ANNOTATION_UNKNOWN})
"""Reasons of problems in ingress-nginx, too."""

_WITHOUT_EFFECT: Final = {
    "x-forwarded-prefix": "rewrite-target",
    "proxy-redirect-from": "proxy-redirect-to",
    "proxy-redirect-to": "proxy-redirect-from",
}
"""Annotations without effect where another one is missing."""

_REFUSED_VALUES: Final = frozenset({"auth-tls-error-page", "proxy-http-version", "server-alias", "upstream-hash-by"})
"""Annotations with refused values beside approximate ones."""

_SAME_DEFAULT: Final = frozenset({"temporal-redirect-code", "permanent-redirect-code", "canary-weight-total"})
"""Annotations of which ingress-nginx reads values without an effect, for which its default counts, too."""


def annotation_verdicts(
    subject: Subject, inventory: Inventory, policy: IngressPolicy, problems: Iterable[Problem]
) -> Iterator[AnnotationVerdict]:
    """The verdict on each annotation of ingress-nginx, by name.

    Args:
        subject: The Ingress.
        inventory: All Ingresses.
        policy: Of the Ingress, by the translation.
        problems: Of the Ingress.
    """
    if not subject.annotations:
        return
    found_problems = [each for each in problems if each.reason is not Reason.PROTECTION_NOT_ENFORCED]  # as there
    complaints = by_annotation(found_problems)
    left_out = [each for each in found_problems if each.reason is Reason.INVALID_PATH] if subject.regex_hosts else []
    closing: tuple[str, ...] = ()
    match policy:
        case ClosedPaths(annotations=closing) | LentPaths(protections=closing):
            pass
    for name, value in subject.annotations.items():
        found = complaints.get(PREFIX + name, [])
        known = ANNOTATIONS.get(name)
        if found or PREFIX + name in closing:
            verdict = _with_problem(name, value, known, found, subject, closes=PREFIX + name in closing)
        elif known is None:
            verdict = AnnotationVerdict(name, Verdict.EXACT, "ingress-nginx has no annotation of this name")
        else:
            verdict = _by_registry(known, value, subject, inventory)
        if OF_PASSTHROUGH.intersection(each.reason for each in found):
            verdict = replace(verdict, verdict=passthrough_verdict(subject, inventory, found, found_problems))
        if name == "use-regex" and left_out:
            verdict = _with_problem(name, value, known, left_out, subject, closes=True)
        if known is not None and known.scope is Scope.HOST and value and _holds_for_hosts(name, subject):
            verdict = replace(
                verdict, others=tuple(dict.fromkeys(each.key for _, each in inventory.neighbours(subject)))
            )
        yield verdict if name in SNIPPETS else replace(verdict, value=value)


def _holds_for_hosts(name: str, subject: Subject) -> bool:
    return not subject.is_canary and (name != "use-regex" or subject.is_on(name))


def _with_problem(
    name: str, value: str, known: AnyAnnotation | None, problems: list[Problem], subject: Subject, *, closes: bool
) -> AnnotationVerdict:
    text = "; ".join(dict.fromkeys(each.message for each in problems))
    remedy = " ".join(dict.fromkeys(each.remedy for each in problems if each.remedy))
    verdict = Verdict.APPROXIMATE
    if closes:
        verdict, text = Verdict.REFUSED, text or "no request is served, as the annotation can't be had here"
    elif all(each.reason in _SAME_THERE or _is_without_effect_there(each, name, subject) for each in problems):
        verdict = Verdict.EXACT
    elif any(_refuses(each, known, subject) for each in problems):
        verdict = Verdict.REFUSED
    if verdict is Verdict.REFUSED and known is not None and not remedy:
        remedy = known.remedy
    found = tuple(lines(value)) if name in SNIPPETS else ()
    return AnnotationVerdict(name, verdict, text, remedy, found)


def _refuses(problem: Problem, known: AnyAnnotation | None, subject: Subject) -> bool:
    """Whether a problem takes an effect away that the annotation has in ingress-nginx."""
    if known is None or problem.reason in _REFUSED:
        return known is not None
    if problem.reason is Reason.ANNOTATION_UNSUPPORTED:
        return known.name in _REFUSED_VALUES or known.verdict in (RegistryVerdict.REFUSED, RegistryVerdict.NOT_YET)
    value = subject.annotations[known.name]
    is_read_there = known.name in READ and known.name not in subject.fates and not blocking(known.name, value)
    is_refused = is_read_there and not _is_astray(known, value) and not _is_read(known, value)
    return problem.reason is Reason.ANNOTATION_INVALID and is_refused


def _is_astray(known: AnyAnnotation, value: str) -> bool:
    """Whether ingress-nginx mirrors the requests of a host to the host itself, since the target is no URL."""
    return known.name == "mirror-target" and "://" not in value


def _is_read(known: AnyAnnotation, value: str) -> bool:
    try:
        known.grammar.parse(value)
    except InvalidValueError:
        return False
    return True


def _is_without_effect_there(problem: Problem, name: str, subject: Subject) -> bool:
    """Whether ingress-nginx ignores an annotation, too."""
    value = subject.annotations[name]
    if name in subject.fates:
        return False
    if problem.reason is not Reason.ANNOTATION_UNSUPPORTED:
        return name in _SAME_DEFAULT or (name == "temporal-redirect" and not value.startswith("http"))
    return subject.is_canary or _asks_nothing_there(name, value, subject)


def _asks_nothing_there(name: str, value: str, subject: Subject) -> bool:
    """Whether an annotation has no effect in ingress-nginx by its value, or beside a missing other one."""
    if name in ("limit-rate", "limit-rate-after"):
        return subject.text("proxy-buffering").strip() != "on"
    if name == "limit-connections":
        return number(value) <= 0
    if name.startswith("cors-"):
        return not subject.is_on("enable-cors")
    needed = _WITHOUT_EFFECT.get(name)
    return name.startswith("canary-") or (needed is not None and not subject.text(needed))


def _by_registry(known: AnyAnnotation, value: str, subject: Subject, inventory: Inventory) -> AnnotationVerdict:
    if not value:
        return AnnotationVerdict(known.name, Verdict.EXACT, "an empty value counts as absent")
    if not _is_read(known, value):  # unreported where the paths are closed by another annotation
        text = f"{shown(value)} is not {known.grammar.words}; its default counts: {known.default}"
        return AnnotationVerdict(known.name, Verdict.APPROXIMATE, text, f"Write {known.grammar.words}.")
    match known.verdict:
        case RegistryVerdict.NO_EFFECT:
            return AnnotationVerdict(known.name, Verdict.EXACT, f"nothing to do: {known.note}")
        case RegistryVerdict.APPROXIMATE if concerns(known, value, subject, inventory):
            return AnnotationVerdict(known.name, Verdict.APPROXIMATE, known.note)
    # Values of refused annotations without a problem ask for nothing.
    return AnnotationVerdict(known.name, Verdict.EXACT)
