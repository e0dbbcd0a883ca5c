"""From ingress-nginx's ConfigMap to the defaults of annotations, and to the policy of all listeners."""

from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from typing import Final

from xds.kube.objects import ConfigMap
from xds.problems.problem import Key
from xds.traffic.listeners import OWN_LISTENERS, ListenerPolicy, RequestHeaders
from xds.translate.layer4.options import STREAM_DEFAULTS, StreamDefaults
from xds.translate.nginx.configmap import access, access_log, headers, observation, streams, tls, traffic
from xds.translate.nginx.configmap.key import AnyKey
from xds.translate.nginx.configmap.reader import ConfigReader, Report
from xds.translate.nginx.configmap.registry import KEYS
from xds.translate.nginx.defaults import INGRESS_NGINX, NO_DEFAULTS

_SETTINGS: Final[tuple[AnyKey, ...]] = (
    traffic.RETRY_NON_IDEMPOTENT,
    traffic.CLIENT_BODY_TIMEOUT,
    headers.REDIRECT_CODE,
    headers.ALLOWED_HEADERS,
    access.NO_REDIRECT,
    *access.GLOBAL_AUTH,
)
"""Keys that the families of annotations read, beside the keys that are annotations."""

_COMPATIBLE: Final = ListenerPolicy(
    gateway_statuses=True, answers_health=True, takes_any_method=True, requests=RequestHeaders(keeps_claims=True)
)


@dataclass(frozen=True, slots=True)
class NginxConfig:
    """The operator's choices in ingress-nginx's words.

    Attributes:
        defaults: As in AnnotationReader.
        closing: Keys that ask for a protection which can't be had, so that all paths answer 503.
        listeners: The policy of all listeners of HTTP.
        streams: The treatment of TCP and UDP.
    """

    defaults: Mapping[str, str] = field(default_factory=lambda: NO_DEFAULTS)
    closing: tuple[str, ...] = ()
    listeners: ListenerPolicy = OWN_LISTENERS
    streams: StreamDefaults = STREAM_DEFAULTS


def read_config(
    data: Mapping[str, str],
    config_map: Callable[[Key], ConfigMap | None],
    report: Report,
    *,
    is_compatible: bool,
    ignored: Set[str],
    max_regex_size: int,
) -> NginxConfig:
    """Read a ConfigMap.

    Args:
        data: Of the ConfigMap; empty without one.
        config_map: Returns a ConfigMap that a key names; None for one that doesn't exist.
        report: Takes the problems.
        is_compatible: Whether ingress-nginx's defaults stand for absent keys.
        ignored: Keys that count as absent: the operator's choice.
        max_regex_size: The size of a compiled expression above which proxies reject the expression.
    """
    kept = {name: text for name, text in data.items() if name not in ignored}
    reader = ConfigReader(kept, KEYS, report, config_map, uses_defaults=is_compatible)
    base = dict(INGRESS_NGINX) if is_compatible else {}
    policy = _COMPATIBLE if is_compatible else OWN_LISTENERS
    for section in (traffic, headers, tls):
        policy = section.applied(policy, reader)
    policy = replace(
        policy,
        compressions=tuple(observation.compressions(reader)),
        blocked=access.blocked(reader, max_regex_size),
        access_log=access_log.policy(reader, max_regex_size),
    )
    return NginxConfig(base | dict(_defaults(reader)), reader.closing, policy, streams.stream_defaults(reader))


def asks_protection(names: Set[str], data: Mapping[str, str]) -> bool:
    """Whether one of some keys asks for a protection, which nobody should lose with the ConfigMap."""
    known = ((KEYS[name], data[name]) for name in names if name in KEYS)
    return any(text and key.protects is not None and key.protects(text) for key, text in known)


def _defaults(reader: ConfigReader) -> Iterator[tuple[str, str]]:
    """The values of keys that families of annotations read."""
    for key in KEYS.values():
        if key.annotation is not None and reader.is_written(key) and reader.text(key):
            yield key.name, reader.text(key)
    for key in _SETTINGS:
        if text := reader.text(key):
            yield key.name, text
    if reader.is_written(access.NO_AUTHENTICATION):
        # An empty value means that no path is without authentication.
        yield access.NO_AUTHENTICATION.name, reader.text(access.NO_AUTHENTICATION) or ","
