"""Keys of TCP and UDP ports."""

from datetime import timedelta
from typing import Final

from xds.translate.layer4.options import STREAM_DEFAULTS, StreamDefaults
from xds.translate.nginx.annotation import Grammar, InvalidValueError, Verdict
from xds.translate.nginx.configmap.grammars import DURATION
from xds.translate.nginx.configmap.key import ConfigKey, Section, refused
from xds.translate.nginx.configmap.reader import ConfigReader
from xds.translate.nginx.grammars import BOOLEAN, NATURAL

_SECTION: Final = Section.TRAFFIC
_MAX_ATTEMPTS: Final = 10
"""An attempt takes up to 5 s, and the client waits."""


def _timeout(value: str) -> timedelta:
    if not (found := DURATION.parse(value)):
        raise InvalidValueError("a connection without any idle time can't be used")
    return found


TIMEOUT: Final = ConfigKey(
    "proxy-stream-timeout",
    _SECTION,
    Grammar(f"{DURATION.words}; not 0", _timeout),
    "600s",
    Verdict.APPROXIMATE,
    "of TCP; a UDP session ends after 60 s without a datagram, or as xds-ingress.dev/udp-idle-timeout says",
)
NEXT_UPSTREAM: Final = ConfigKey("proxy-stream-next-upstream", _SECTION, BOOLEAN, "true")
TRIES: Final = ConfigKey(
    "proxy-stream-next-upstream-tries",
    _SECTION,
    NATURAL,
    "3",
    Verdict.APPROXIMATE,
    f"at most {_MAX_ATTEMPTS}, also for 0; an attempt takes up to 5 s",
)

KEYS: Final = (
    TIMEOUT,
    NEXT_UPSTREAM,
    TRIES,
    *refused(
        _SECTION,
        "Envoy bounds the number of attempts, and the time of each",
        "Set proxy-stream-next-upstream-tries.",
        proxy_stream_next_upstream_timeout="600s",
    ),
    *refused(
        _SECTION,
        "Envoy passes any number of answers on until a session of UDP is idle",
        "Remove the key; xds-ingress.dev/udp-idle-timeout at the Service bounds sessions.",
        proxy_stream_responses="1",
    ),
)


def stream_defaults(reader: ConfigReader) -> StreamDefaults:
    """The treatment of connections and sessions where the annotations of the Service leave it open."""
    tries = reader.get(TRIES)
    attempts = STREAM_DEFAULTS.connect_attempts if tries is None else min(tries or _MAX_ATTEMPTS, _MAX_ATTEMPTS)
    return StreamDefaults(
        tcp_idle_timeout=reader.get(TIMEOUT) or STREAM_DEFAULTS.tcp_idle_timeout,
        connect_attempts=1 if reader.get(NEXT_UPSTREAM) is False else attempts,
    )
