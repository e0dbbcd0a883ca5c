"""Whether the difference that the registry notes for an annotation concerns the value, and the hosts, of an Ingress."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from xds.migrate.inventory import Inventory, names_host
from xds.migrate.subject import Subject
from xds.migrate.values import is_boolean, is_outside_over_tls, is_true, number, words
from xds.problems.problem import Key
from xds.translate.nginx.annotation import AnyAnnotation
from xds.translate.nginx.custom_headers import ALLOWED_HEADERS

Concern: TypeAlias = Callable[[str, Subject, Inventory], bool]
"""Takes the value, the Ingress, and all Ingresses."""


def concerns(annotation: AnyAnnotation, value: str, subject: Subject, inventory: Inventory) -> bool:
    """Whether the note of an APPROXIMATE annotation concerns an Ingress, whose value has no problem."""
    if is_boolean(value) and not is_true(value) and annotation.default == "false" and annotation.name not in _CONCERNS:
        return False
    concern = _CONCERNS.get(annotation.name)
    return concern is None or concern(value.strip(), subject, inventory)


def _never(*_: object) -> bool:
    """The note is of bad values, which are problems."""
    return False


def _value_is(*values: str) -> Concern:
    return lambda value, *_: value in values


def _value_is_not(*values: str) -> Concern:
    return lambda value, *_: value not in values


def _is_false(value: str, *_: object) -> bool:
    return not is_true(value)


def _has_open_host(subject: Subject) -> bool:
    return any(not host or host.startswith("*") for host in subject.hosts)


def _redirects_uncovered(value: str, subject: Subject, _: Inventory) -> bool:
    uncovered = any(host and not names_host(subject, host) for host in subject.hosts)
    return is_true(value) and bool(subject.ingress.spec.tls) and uncovered


def _has_neighbour(_: str, subject: Subject, inventory: Inventory) -> bool:
    return bool(inventory.neighbours(subject))


def _has_other_root(_: str, subject: Subject, inventory: Inventory) -> bool:
    return any(other.text("app-root") for _, other in inventory.neighbours(subject))


def _may_speak_http2(_: str, subject: Subject, __: Inventory) -> bool:
    return subject.text("backend-protocol").strip().upper() in ("GRPC", "GRPCS")


def _sends_group(value: str, *_: object) -> bool:
    return "$" in value


def _differs_on_hosts(_: str, subject: Subject, inventory: Inventory) -> bool:
    """Whether plain requests pass in ingress-nginx, or another Ingress of a host asks for certificates, too."""
    is_open = not all(inventory.is_redirected(subject, host) for host in subject.hosts)
    return is_open or any(other.text("auth-tls-secret") for _, other in inventory.neighbours(subject))


def _passes_more(_: str, subject: Subject, __: Inventory) -> bool:
    """Whether lists, a wildcard or an alias make a difference for TLS that is passed through."""
    lists = subject.has("whitelist-source-range", "allowlist-source-range", "denylist-source-range", "server-alias")
    return subject.is_on("ssl-passthrough") and (lists or any(host.startswith("*") for host in subject.hosts))


def _replaces_headers(value: str, __: Subject, inventory: Inventory) -> bool:
    namespace, _, name = value.partition("/")
    found = inventory.config_map(Key(namespace, name))
    return found is not None and any(header.lower() in _ASKED_WITH for header in found.data or ())


_ASKED_WITH: Final = frozenset(
    words(
        "host x-original-url x-original-method x-sent-from x-real-ip x-forwarded-for x-forwarded-proto "
        "x-auth-request-redirect x-request-id x-original-uri x-scheme"
    )
)
"""Headers of ingress-nginx's own in the question to an auth service."""

_CONCERNS: Final[Mapping[str, Concern]] = {
    "affinity-mode": _value_is("balanced"),
    "app-root": _has_other_root,
    "auth-always-set-cookie": _is_false,
    "auth-proxy-set-headers": _replaces_headers,
    "auth-realm": _value_is("off"),
    "auth-secret": _never,
    "auth-secret-type": _never,
    "auth-signin": lambda _, subject, __: subject.has("auth-secret"),
    "auth-tls-error-page": _never,
    "auth-tls-secret": _differs_on_hosts,
    "auth-tls-verify-client": _value_is("optional_no_ca"),
    "auth-type": _never,
    "auth-url": lambda value, *_: is_outside_over_tls(value),
    "connection-proxy-header": _may_speak_http2,
    "cors-allow-origin": _value_is_not("*"),
    "custom-headers": lambda _, __, inventory: not (inventory.config or {}).get(ALLOWED_HEADERS),
    "enable-opentelemetry": _is_false,
    "limit-rpm": lambda value, *_: number(value) > 0,
    "limit-rps": lambda value, *_: number(value) > 0,
    "load-balance": _value_is_not("round_robin"),
    "opentelemetry-trust-incoming-span": _is_false,
    "permanent-redirect": lambda value, subject, _: value.startswith("/") and _has_open_host(subject),
    "proxy-buffering": _value_is("on"),
    "proxy-cookie-domain": _never,
    "proxy-cookie-path": _never,
    "proxy-http-version": _value_is("1.0"),
    "proxy-next-upstream": _value_is_not("off"),
    "proxy-next-upstream-timeout": _value_is_not("0"),
    "proxy-next-upstream-tries": lambda value, *_: not 0 < number(value) <= 100,
    "proxy-redirect-from": _never,
    "proxy-request-buffering": _value_is("on"),
    "proxy-ssl-ciphers": _value_is_not("DEFAULT"),
    "proxy-ssl-secret": _has_neighbour,
    "proxy-ssl-server-name": lambda value, subject, _: value == "on" and not subject.has("proxy-ssl-name"),
    "proxy-ssl-verify": _value_is("on"),
    "rewrite-target": _sends_group,
    "satisfy": lambda value, subject, _: (
        value.lower() == "any" and subject.has("auth-secret") and subject.has("auth-url")
    ),
    "server-alias": lambda value, *_: any(name.strip().endswith(".*") for name in value.split(",")),
    "session-cookie-change-on-failure": _is_false,
    "ssl-passthrough": _passes_more,
    "session-cookie-path": _never,
    "session-cookie-samesite": _value_is_not("None", "Lax", "Strict"),
    "ssl-prefer-server-ciphers": _is_false,
    "ssl-redirect": _redirects_uncovered,
    "upstream-vhost": lambda value, subject, _: "$host" in value and _has_open_host(subject),
    "use-regex": _never,
    "x-forwarded-prefix": _never,
}
"""By annotation. The note of an annotation that is missing here concerns each Ingress with a value.

`xds authz` is taken for granted, as the command line of the report names it.
"""
