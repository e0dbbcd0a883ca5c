"""Surprises of canaries, and of error pages."""

from typing import Final

from xds.migrate.inventory import Inventory
from xds.migrate.subject import Subject, access_of
from xds.migrate.surprises.rule import Rule, listed
from xds.migrate.values import number, words

_EFFECTIVE: Final = words(
    "canary canary-by-header canary-by-header-value canary-by-header-pattern canary-by-cookie canary-weight "
    "canary-weight-total load-balance upstream-hash-by upstream-hash-by-subset upstream-hash-by-subset-size "
    "service-upstream affinity-canary-behavior"
)


def _follows_service(subject: Subject, inventory: Inventory) -> str:
    own = {path[:3] for path in subject.paths}
    ports = [port for path in subject.paths if (port := inventory.primary_port(path))] if subject.is_canary else []
    others = [
        path
        for port in dict.fromkeys(ports)
        for path in inventory.paths_of_service.get(port, ())
        if path[:3] not in own and port not in subject.services
    ]
    return f"the canary also takes requests for {listed(others)}; here for its own paths alone" if others else ""


def _second(subject: Subject, inventory: Inventory) -> str:
    if not subject.is_canary:
        return ""
    found = []
    for path in subject.paths:
        port = inventory.primary_port(path)
        first = inventory.canaries_of_primary.get(port, [subject])[0] if port else subject
        if first is not subject:
            found.append(f"{path} has {first.key}")
    return f"only the first canary of a Service counts: {listed(found)}" if found else ""


def _without_primary(subject: Subject, inventory: Inventory) -> str:
    paths = [path for path in subject.paths if inventory.primary(path) is None] if subject.is_canary else []
    if not paths:
        return ""
    return f"no other Ingress has {listed(paths)}: the canary has no effect, on none of the paths of its Service"


def _weight_total(subject: Subject, _: Inventory) -> str:
    total = subject.text("canary-weight-total")
    low = subject.is_canary and bool(total) and number(total) < 100
    return f"canary-weight-total {total} counts as 100" if low else ""


def _own_annotations(subject: Subject, _: Inventory) -> str:
    found = [n for n in subject.annotations if n not in _EFFECTIVE] if subject.is_canary else []
    return f"no effect on a canary: {listed(found)}" if found else ""


def _service_lost(subject: Subject, inventory: Inventory) -> str:
    if subject.is_canary:
        return ""
    found = [
        f"{port}, which canary {each.key} has"
        for port in subject.services
        for each in inventory.canaries_by_service.get(port, ())
        if (each.created, each.key) < (subject.created, subject.key)
    ]
    return f"ingress-nginx doesn't serve the paths of {listed(found)}; here both are served" if found else ""


def _other_namespace(subject: Subject, inventory: Inventory) -> str:
    if not subject.is_canary:
        return ""
    owners = [owner.key for path in subject.paths if (owner := inventory.primary(path))]
    found = [each for each in owners if each.namespace != subject.key.namespace]
    return f"its paths are those of {listed(found)}, of another namespace" if found else ""


def _protection(subject: Subject, _: Inventory) -> str:
    found = list(access_of(subject)) if subject.is_canary else []
    if not found:
        return ""
    return f"{listed(found)} of a canary never counted; here the canary gets no request until it is removed"


def _become_404(subject: Subject, _: Inventory) -> str:
    is_alone = bool(subject.text("custom-http-errors")) and not subject.text("default-backend")
    return "without default-backend each listed code becomes 404; here nothing is replaced" if is_alone else ""


RULES: Final = (
    Rule(
        "canary-follows-service",
        "A canary takes requests of every host and path with the Service of its primary.",
        _follows_service,
    ),
    Rule("canary-second", "Only the first canary of a Service counts.", _second),
    Rule("canary-without-primary", "A canary needs an Ingress with its host, path and pathType.", _without_primary),
    Rule("canary-weight-total", "A total below 100 counts as 100.", _weight_total),
    Rule("canary-own-annotations", "The annotations of a canary have no effect.", _own_annotations),
    Rule(
        "canary-service-lost",
        "A Service that a canary has is lost for an ordinary Ingress that is younger.",
        _service_lost,
    ),
    Rule(
        "canary-other-namespace",
        "A canary takes requests of other namespaces; here it needs --allow-cross-namespace-resources.",
        _other_namespace,
    ),
    Rule("canary-protection", "What protects a canary has no effect in ingress-nginx.", _protection),
    Rule("custom-errors-become-404", "Without default-backend, custom-http-errors answers 404.", _become_404),
)
