"""Differences that concern every Ingress, or every port of TCP and UDP, reported once."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from xds.migrate.inventory import Inventory
from xds.migrate.values import is_true
from xds.traffic.layer4 import Transport


@dataclass(frozen=True, slots=True)
class GeneralRule:
    """A difference that no annotation brings about.

    Attributes:
        id: Scripts depend on it.
        meaning: The difference.
        holds: Whether it concerns the Ingresses at hand.
    """

    id: str
    meaning: str
    holds: Callable[[Inventory], bool]


def _always(inventory: Inventory) -> bool:
    return bool(inventory.subjects)


def _redirects(inventory: Inventory) -> bool:
    return any(inventory.is_redirected(each, host) for each in inventory.subjects for host in each.hosts)


def _has_tls(inventory: Inventory) -> bool:
    return bool(inventory.tls_hosts)


def _trusts_everybody(inventory: Inventory) -> bool:
    config = inventory.config or {}
    trusts = any(is_true(config.get(key, "")) for key in ("use-forwarded-headers", "enable-real-ip"))
    return trusts and config.get("proxy-real-ip-cidr", "0.0.0.0/0").strip() in ("0.0.0.0/0", "")


def _has_hsts(inventory: Inventory) -> bool:
    return _has_tls(inventory) and inventory.key_is_on("hsts", default=True)


GENERAL: Final[Mapping[str, GeneralRule]] = {
    rule.id: rule
    for rule in (
        GeneralRule(
            "trusts-everybody",
            "use-forwarded-headers, or enable-real-ip, without proxy-real-ip-cidr believes everybody: a header walks "
            "around each address list. Name the networks of the proxies in front.",
            _trusts_everybody,
        ),
        GeneralRule(
            "https-redirect-slash",
            "The redirect to HTTPS drops one slash at the end of the path, there and here; the slash of / stays here.",
            _redirects,
        ),
        GeneralRule(
            "hsts-default",
            "Strict-Transport-Security with includeSubDomains is sent by default, for a year. It goes on with "
            "--compatibility ingress-nginx; without, it stops, and browsers remember it.",
            _has_hsts,
        ),
        GeneralRule(
            "paths-normalized",
            "Backends saw paths as they came (//, .., %61). Envoy sends the normal form.",
            _always,
        ),
        GeneralRule("request-id-form", "X-Request-ID was 32 hexadecimal digits, and is a UUID.", _always),
        GeneralRule(
            "chunked-uploads",
            "Chunked uploads reached backends as a whole, with a Content-Length. They come chunked, as they are sent, "
            'unless proxy-request-buffering is "on".',
            _always,
        ),
        GeneralRule(
            "retries-three-times",
            "A failed request is tried up to three times, at the same endpoint if there is one, there and here.",
            _always,
        ),
        GeneralRule(
            "large-upload-retry",
            "An upload of more than 1 MiB to a backend that dies is 503 or 507, where it was 502.",
            _always,
        ),
        GeneralRule(
            "acme-exception-paths",
            "no-auth-locations and no-tls-redirect-locations hold for paths of Ingresses, not for requests: a "
            "challenge under a plain / is protected and redirected like the rest, there and here.",
            _has_tls,
        ),
        GeneralRule(
            "port-without-endpoints",
            "A TCP port whose Service has no endpoints is closed in ingress-nginx, so that connections are refused. "
            "Here they are accepted, and closed at once: a load balancer that probes the port doesn't see the "
            "difference.",
            lambda inventory: Transport.TCP in inventory.exposed,
        ),
        GeneralRule(
            "udp-sessions",
            "A session of UDP ended after the answers of proxy-stream-responses (1), or the silence of "
            "proxy-stream-timeout (600 s). Here all answers arrive, and a session ends after 60 s of silence, or those "
            "of the Service's annotation xds-ingress.dev/udp-idle-timeout.",
            lambda inventory: Transport.UDP in inventory.exposed,
        ),
    )
}
"""By id, the most serious first."""


def general_differences(inventory: Inventory) -> Iterator[GeneralRule]:
    """The differences that concern the Ingresses and ports at hand."""
    return (rule for rule in GENERAL.values() if (inventory.subjects or inventory.exposed) and rule.holds(inventory))
