"""Explains the annotations of an Ingress: the effect of each, found by a comparison with the Ingress without it."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

import msgspec

from xds.explain.client_check import demands_words
from xds.explain.policies import policy_words
from xds.kube.objects import Ingress
from xds.problems.problem import Problem, by_annotation
from xds.problems.reasons import Reason
from xds.traffic.https_redirect import RedirectWhen
from xds.traffic.policy import Policy
from xds.traffic.upstream import DEFAULT_UPSTREAM
from xds.translate.nginx.annotation import OWN_PREFIX, PREFIX, AnyAnnotation, Verdict
from xds.translate.nginx.asked_backends import NO_BACKENDS
from xds.translate.nginx.passthrough_wish import PassthroughWish
from xds.translate.nginx.paths_policy import ClosedPaths, IngressPolicy, LentPaths, OpenPaths
from xds.translate.nginx.registry import ANNOTATIONS
from xds.translate.own import registry as own_registry

REDIRECTED: Final = {
    RedirectWhen.OPERATOR: "",
    RedirectWhen.NEVER: "plain HTTP is not redirected to HTTPS",
    RedirectWhen.WITH_TLS: "plain HTTP is redirected to HTTPS if a TLS entry covers the host",
    RedirectWhen.ALWAYS: "plain HTTP is redirected to HTTPS",
}
"""The redirect of plain requests in words; empty for the operator's choice."""

_KNOWN: Final[Mapping[str, AnyAnnotation]] = {
    each.full_name: each for registry in (ANNOTATIONS, own_registry.ANNOTATIONS) for each in registry.values()
}


class AnnotationStatus(StrEnum):
    """The effect of an annotation."""

    IN_EFFECT = "in effect"
    NO_DIFFERENCE = "no difference"
    """The Ingress is served in the same way without the annotation."""
    CLOSES = "closes"
    """The paths of the Ingress, or its hosts, answer 503 because of the annotation."""
    NOT_USED = "not used"
    """Left out: a problem says why."""


@dataclass(frozen=True, slots=True)
class AnnotationOutcome:
    """The effect of an annotation.

    Attributes:
        name: In full.
        value: As written.
        status: Whether the annotation has an effect.
        text: The effect, the difference from ingress-nginx, or the problem, in words. May be empty.
    """

    name: str
    value: str
    status: AnnotationStatus
    text: str


@dataclass(frozen=True, slots=True)
class _Asked:
    """All that the annotations of an Ingress ask for."""

    policy: IngressPolicy
    passthrough: PassthroughWish | None

    @property
    def effective(self) -> "_Asked":
        return _Asked(_effective(self.policy), self.passthrough)


def annotation_outcomes(
    ingress: Ingress,
    policy_of: Callable[[Ingress], IngressPolicy],
    passthrough_of: Callable[[Ingress], PassthroughWish | None],
    problems: Iterable[Problem],
) -> tuple[AnnotationOutcome, ...]:
    """The outcome of each annotation with the prefix of ingress-nginx or our own, by name.

    Args:
        ingress: The Ingress, which is served here.
        policy_of: The policy of an Ingress.
        passthrough_of: The wish of an Ingress for TLS passthrough.
        problems: Of the Ingress.
    """
    written = {name: text for name, text in ingress.annotations.items() if name.startswith((PREFIX, OWN_PREFIX))}
    if not written:
        return ()
    # Unknown names, of which an Ingress may have thousands, change nothing; without them, comparisons stay cheap.
    known = {name: text for name, text in written.items() if name in _KNOWN}

    def asked(annotations: dict[str, str]) -> _Asked:
        annotated = _annotated(ingress, annotations)
        return _Asked(policy_of(annotated), passthrough_of(annotated))

    def without(name: str) -> _Asked:
        return asked({each: text for each, text in known.items() if each != name})

    everything, complaints = asked(known), by_annotation(problems)
    return tuple(
        _outcome(
            name, written[name], everything, without(name) if name in _KNOWN else everything, complaints.get(name, ())
        )
        for name in sorted(written)
    )


def _annotated(ingress: Ingress, annotations: dict[str, str]) -> Ingress:
    return msgspec.structs.replace(ingress, metadata=msgspec.structs.replace(ingress.metadata, annotations=annotations))


def _outcome(name: str, value: str, asked: _Asked, without: _Asked, problems: Iterable[Problem]) -> AnnotationOutcome:
    """The outcome of an annotation.

    Args:
        name: In full.
        value: As written.
        asked: By the Ingress.
        without: By the Ingress without the annotation.
        problems: Of the annotation.
    """
    policy, wish = asked.policy, asked.passthrough
    complaint = "; ".join(each.message for each in problems)
    annotation = _KNOWN.get(name)
    closes = wish is not None and wish.annotation == name and not wish.is_valid
    if closes or (isinstance(policy, ClosedPaths) and name in policy.annotations):
        return AnnotationOutcome(name, value, AnnotationStatus.CLOSES, complaint)
    is_used = all(each.reason is not Reason.ANNOTATION_BACKEND_UNUSABLE for each in problems)
    if annotation and is_used and asked.effective != without.effective:
        text = complaint or _effect(annotation, asked, without)
        return AnnotationOutcome(name, value, AnnotationStatus.IN_EFFECT, text)
    if complaint:
        return AnnotationOutcome(name, value, AnnotationStatus.NOT_USED, complaint)
    return AnnotationOutcome(name, value, AnnotationStatus.NO_DIFFERENCE, _why_equal(annotation, value, policy))


def _effective(policy: IngressPolicy) -> IngressPolicy:
    """The policy without the parts that no request meets, as the paths answer before a backend is asked."""
    if not isinstance(policy, OpenPaths) or not (policy.answer or policy.redirect):
        return policy
    own = policy.policy
    met = Policy(
        response_headers=own.response_headers,
        is_logged=own.is_logged,
        tracing=own.tracing,
        bodies=own.bodies,
        https_redirect=own.https_redirect,
        rate_limits=own.rate_limits,
        access=own.access if policy.answer else None,
        cors=own.cors,
    )
    return replace(policy, policy=met, upstream=DEFAULT_UPSTREAM, tls_upstream=None, asked_backends=NO_BACKENDS)


def _effect(annotation: AnyAnnotation, asked: _Asked, without: _Asked) -> str:
    before = set(_all_words(without))
    parts = [each for each in _all_words(asked) if each not in before]
    if annotation.verdict is Verdict.APPROXIMATE and annotation.note:
        parts.append(f"differs from ingress-nginx: {annotation.note}")
    return "; ".join(parts)


def _all_words(asked: _Asked) -> Iterator[str]:
    if (wish := asked.passthrough) and wish.is_valid:
        yield "TLS connections of its hosts go undecrypted to the Service of their path /"
        if wish.proxy_header:
            yield f"the backend of TLS connections is sent a PROXY protocol header {wish.proxy_header}"
    yield from _words(asked.policy)


def _words(policy: IngressPolicy) -> Iterator[str]:
    if not isinstance(policy, OpenPaths):
        return
    if policy.answer:
        yield f"answers {policy.answer.status}"
    if policy.redirect:
        yield f"answers {policy.redirect.status}, to {policy.redirect.location}"
    if policy.client_certificates:
        yield demands_words(policy.client_certificates)
    if redirected := REDIRECTED[policy.policy.https_redirect.when]:
        yield redirected
    yield from (f"{subject}: {words}" for subject, words in policy_words(policy.policy))


def _why_equal(annotation: AnyAnnotation | None, value: str, policy: IngressPolicy) -> str:
    if not value:
        return "an empty value counts as absent"
    if annotation and annotation.verdict is Verdict.NO_EFFECT:
        return annotation.note
    if isinstance(policy, ClosedPaths):
        return f"the paths answer 503 because of {', '.join(policy.annotations)}"
    if isinstance(policy, LentPaths):
        return "the annotations of the Ingress whose paths the canary shares hold"
    if policy.answer or policy.redirect:
        return "the paths redirect, or answer by themselves, without the annotation too"
    return "the same holds without the annotation"
