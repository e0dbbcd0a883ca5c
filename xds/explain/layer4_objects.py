"""Explains a ConfigMap of ports or a Service: each port that the object asks for, and all users of a Service."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from xds.explain.ingress import Acceptance, Unit, UnitStatus, is_served, unit_statuses
from xds.explain.ingress_facts import UnitFacts
from xds.explain.layer4_endpoints import UsedBackend, counted
from xds.explain.layer4_object_facts import ClaimFacts, ObjectFacts, PassedHost
from xds.explain.layer4_ports import duration
from xds.kube.objects import ConfigMap
from xds.problems.field_path import FieldPath
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.text import shown
from xds.snapshot.resource import Resource
from xds.traffic.layer4 import PortListener, Transport
from xds.translate.layer4.claims import ClaimState, PortClaim


@dataclass(frozen=True, slots=True)
class Use:
    """A part of an object with its status.

    Attributes:
        winner: The object that is served instead; None: no object is.
    """

    object: ObjectRef
    unit: Unit
    winner: ObjectRef | None = None


@dataclass(frozen=True, slots=True)
class ObjectExplanation:
    """The state of a ConfigMap or Service, and the reasons. The attributes are as in ObjectFacts."""

    object: ObjectRef
    acceptance: Acceptance
    role: str
    uses: tuple[Use, ...]
    problems: tuple[tuple[Problem, datetime | None], ...]
    resources: tuple[Resource, ...]
    since: float | None


def explain_object(facts: ObjectFacts) -> ObjectExplanation:
    """Goes through all entries, paths and endpoints, and may run in any thread."""
    uses = tuple(_uses(facts))
    good = sum(is_served(each.unit) for each in uses)
    if not uses and not facts.role:
        acceptance = Acceptance.NOT_OURS
    elif good == len(uses):
        acceptance = Acceptance.ACCEPTED
    else:
        acceptance = Acceptance.PARTLY if good else Acceptance.NOT_SERVED
    if facts.object.kind == ConfigMap.kind and not uses and facts.problems:
        acceptance = Acceptance.NOT_SERVED
    role = facts.role or ("nothing of ours uses it" if not uses else "")
    if facts.more:
        role += f"{'; ' if role else ''}{facts.more} further Ingresses use it"
    return ObjectExplanation(facts.object, acceptance, role, uses, facts.problems, facts.resources, facts.since)


def _uses(facts: ObjectFacts) -> Iterator[Use]:
    for each in facts.claims:
        yield claim_use(each)
    for passed in facts.passed:
        yield _passed_use(passed)
    for units in facts.ingresses:
        yield from _ingress_uses(units, facts.object.key)


def claim_use(facts: ClaimFacts) -> Use:
    """The state of an entry."""
    claim = facts.claim
    problems = "; ".join(each.message.removeprefix(f"{shown(claim.text)}: ") for each in facts.problems)
    text = _as_written(claim)
    if claim.state is ClaimState.INVALID:
        return Use(claim.source, Unit(claim.field, text, UnitStatus.LEFT_OUT, problems))
    if claim.state is ClaimState.LOST:
        why = f"{claim.winner} has the port" if claim.winner else problems or "another entry has the port"
        return Use(claim.source, Unit(claim.field, text, UnitStatus.SHADOWED, why), claim.winner)
    if facts.listener is None or facts.used is None:
        why = problems or "its Service or port can't be used"
        return Use(claim.source, Unit(claim.field, text, UnitStatus.BROKEN, why))
    why = "; ".join(filter(None, (_treatment(facts.listener, facts.used), problems)))
    unit = _with_endpoints(claim.field, text, why, facts.used)
    return Use(claim.source, unit)


def _as_written(claim: PortClaim) -> str:
    """The entry as written, in one line."""
    name = next((str(part.name) for part in reversed(claim.field.parts) if hasattr(part, "name")), "")
    own = claim.source.kind != ConfigMap.kind
    return shown(claim.text)[1:-1] if own else f"{shown(name)[1:-1]}: {shown(claim.text)[1:-1]}"


def _treatment(listener: PortListener, used: UsedBackend) -> str:
    policy, is_udp = listener.route.policy, listener.key.transport is Transport.UDP
    header = used.backend.upstream.proxy_header
    return ", ".join(
        filter(
            None,
            (
                f"listener {listener.key}",
                "PROXY protocol in" if listener.decodes_proxy else "",
                f"PROXY protocol {header} out" if header else "",
                f"idle timeout {duration(policy.idle_timeout)}",
                "a client stays with its endpoint" if policy.keeps_client and not is_udp else "",
            ),
        )
    )


def _passed_use(passed: PassedHost) -> Use:
    owner = passed.owner or ObjectRef("Service", *passed.used.backend.key.service_key)
    header = passed.used.backend.upstream.proxy_header
    why = "not decrypted" + (f", PROXY protocol {header} out" if header else "")
    text = f"TLS passthrough of {shown(passed.host)[1:-1]}"
    return Use(owner, _with_endpoints(passed.field, text, why, passed.used))


def _with_endpoints(field: FieldPath, text: str, why: str, used: UsedBackend) -> Unit:
    counts = counted(used)
    if counts.is_dns:
        why = "; ".join(filter(None, (why, f"endpoints are the addresses of {used.backend.external_name} in DNS")))
    status = UnitStatus.SERVED if counts.any_healthy else UnitStatus.NO_ENDPOINTS
    key = used.backend.key
    return Unit(field, text, status, why, backend=key, healthy=counts.healthy, draining=counts.draining)


def _ingress_uses(facts: UnitFacts, service: Key) -> Iterator[Use]:
    """The paths and the default backend of an Ingress that name the Service."""
    named = set(_fields(facts, service))
    for unit in unit_statuses(facts):
        if unit.field in named or (unit.backend is not None and unit.backend.service_key == service):
            yield Use(facts.ingress.ref, unit, ObjectRef("Ingress", *unit.senior) if unit.senior else None)


def _fields(facts: UnitFacts, service: Key) -> Iterator[FieldPath]:
    spec, namespace = facts.ingress.spec, facts.ingress.key.namespace
    if namespace != service.namespace:
        return
    for index, rule in enumerate(spec.rules or ()):
        for number, path in enumerate(rule.paths):
            if path.backend.service and path.backend.service.name == service.name:
                yield FieldPath.of("spec", "rules", index, "http", "paths", number)
    default = spec.default_backend
    if default and default.service and default.service.name == service.name:
        yield FieldPath.of("spec", "defaultBackend")
