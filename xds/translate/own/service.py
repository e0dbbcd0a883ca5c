"""Annotations of Services: health checks, limits, and ports of layer 4."""

import re
from collections.abc import Callable, Mapping
from datetime import timedelta
from itertools import islice
from typing import Final, TypeAlias, TypeVar

from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.layer4 import Transport
from xds.traffic.service_settings import NO_SETTINGS, HealthCheck, ServiceSettings
from xds.translate.nearest import nearest
from xds.translate.nginx.annotation import OWN_PREFIX, Annotation, AnyAnnotation, Grammar, InvalidValueError
from xds.translate.nginx.grammars import ANYTHING, BOOLEAN, NATURAL
from xds.translate.own.durations import duration

_Value = TypeVar("_Value")

Report: TypeAlias = Callable[[Reason, str, str], None]
"""Takes reason, message and remedy of a problem of a Service's annotation."""

_MAX_UNKNOWN: Final = 100
"""Unknown annotations that are reported for a Service, at most: thousands take long, and help no more."""

PASSIVE: Final = "passive"
_PATH: Final = re.compile(r"/[A-Za-z0-9._~/?&=%:@!$'()*+;-]*")
_LONGEST: Final = timedelta(hours=1)
_DEFAULT: Final = HealthCheck("/", timedelta(seconds=10), timedelta(seconds=2), healthy=2, unhealthy=3)
"""Kubernetes' defaults for probes are 10 s, 1 s, 1 and 3. A proxy is farther away than the kubelet, so a check has more
time, and one lucky answer brings no failing endpoint back. Source:
https://kubernetes.io/docs/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/#configure-probes
"""


def _health_check(text: str) -> HealthCheck | None:
    """The check; None for `passive`."""
    path, *options = (part.strip() for part in text.split(","))
    if path == PASSIVE and not options:
        return None
    if not _PATH.fullmatch(path) or len(path) > 1024:
        raise InvalidValueError
    given = dict(_option(each) for each in options)
    if len(given) != len(options):
        raise InvalidValueError("an option is given twice")
    check = HealthCheck(
        path,
        _bounded(given.pop("interval", ""), _DEFAULT.interval),
        _bounded(given.pop("timeout", ""), _DEFAULT.timeout),
        _count(given.pop("healthy", ""), _DEFAULT.healthy),
        _count(given.pop("unhealthy", ""), _DEFAULT.unhealthy),
    )
    if given:
        raise InvalidValueError(f"there is no option {shown(next(iter(given)))}")
    return check


def _option(text: str) -> tuple[str, str]:
    name, mark, value = text.partition("=")
    if not mark or not value:
        raise InvalidValueError
    return name, value


def _bounded(text: str, default: timedelta) -> timedelta:
    found = duration(text) if text else default
    if not timedelta(seconds=1) <= found <= _LONGEST:
        raise InvalidValueError("a duration is below one second or above one hour")
    return found


def _count(text: str, default: int) -> int:
    number = NATURAL.parse(text) if text else default
    if not 1 <= number <= 100:
        raise InvalidValueError("a number is below 1 or above 100")
    return number


def _positive(text: str) -> int:
    if not (number := NATURAL.parse(text.strip())):
        raise InvalidValueError
    return number


_POSITIVE: Final = Grammar("a whole number from 1 on", _positive)

HEALTH_CHECK: Final = Annotation(
    "health-check",
    "health of endpoints",
    Grammar("passive, or PATH[,interval=10s][,timeout=2s][,healthy=2][,unhealthy=3]", _health_check),
    prefix=OWN_PREFIX,
)
MAX_REQUESTS: Final = Annotation("max-requests", "limits", _POSITIVE, prefix=OWN_PREFIX)
MAX_CONNECTIONS: Final = Annotation("max-connections", "limits", _POSITIVE, prefix=OWN_PREFIX)
EXTERNAL_HOST: Final = Annotation("external-host", "ExternalName Services", BOOLEAN, "false", prefix=OWN_PREFIX)
"""The outside name of an ExternalName Service as Host and SNI of requests, as hosters want to see.

Not without asking: an ExternalName may also stand for a Service that knows the client's Host.
"""

EXPOSE: Final = Annotation(
    "expose",
    "ports of TCP and UDP",
    Grammar("a list of PORT=tcp|udp:SERVICEPORT[:PROXY][:PROXY], with commas between", ANYTHING.parse),
    prefix=OWN_PREFIX,
)
"""Ports that the proxies open for the Service. The Service's namespace must have the ports by `--expose-ports`."""

_MAX_IDLE_TIMEOUT: Final = timedelta(days=365)


def _idle(text: str) -> timedelta:
    found = duration(text)
    if not timedelta(seconds=1) <= found <= _MAX_IDLE_TIMEOUT:
        raise InvalidValueError("a duration is below one second or above one year")
    return found


_IDLE: Final = Grammar("a duration from one second on, such as 90s or 2h", _idle)
_IDLE_TIMEOUTS: Final = {
    Transport.TCP: Annotation("tcp-idle-timeout", "ports of TCP and UDP", _IDLE, "1h", prefix=OWN_PREFIX),
    Transport.UDP: Annotation("udp-idle-timeout", "ports of TCP and UDP", _IDLE, "60s", prefix=OWN_PREFIX),
}

ANNOTATIONS: Final[tuple[AnyAnnotation, ...]] = (
    HEALTH_CHECK,
    MAX_REQUESTS,
    MAX_CONNECTIONS,
    EXTERNAL_HOST,
    EXPOSE,
    *_IDLE_TIMEOUTS.values(),
)
_BY_NAME: Final[Mapping[str, AnyAnnotation]] = {each.full_name: each for each in ANNOTATIONS}


def service_settings(annotations: Mapping[str, str], report: Report) -> ServiceSettings:
    """The settings; values that can't be used, and unknown names, are problems."""
    if not report_unknown(annotations, report):
        return NO_SETTINGS
    check = _read(HEALTH_CHECK, annotations, report)
    return ServiceSettings(
        health_check=check,
        detects_outliers=check is None and annotations.get(HEALTH_CHECK.full_name, "").strip() == PASSIVE,
        max_requests=_read(MAX_REQUESTS, annotations, report),
        max_connections=_read(MAX_CONNECTIONS, annotations, report),
    )


def report_unknown(annotations: Mapping[str, str], report: Report) -> bool:
    """Report unknown annotations with our prefix, and return whether any annotation has our prefix."""
    ours = sorted(name for name in annotations if name.startswith(OWN_PREFIX))
    for name in islice((name for name in ours if name not in _BY_NAME), _MAX_UNKNOWN):
        near = nearest(name.removeprefix(OWN_PREFIX), tuple(each.name for each in ANNOTATIONS))
        remedy = f"Did you mean {OWN_PREFIX}{near}? Correct the name." if near else "Remove the annotation."
        report(Reason.ANNOTATION_UNKNOWN, f"annotation {shown(name)} has no effect on a Service", remedy)
    return bool(ours)


def idle_timeout(annotations: Mapping[str, str], transport: Transport, report: Report) -> timedelta | None:
    """Time without a byte or a datagram after which a connection or session ends; None: no valid annotation."""
    return _read(_IDLE_TIMEOUTS[transport], annotations, report)


def sends_outside_name(annotations: Mapping[str, str]) -> bool:
    """Whether EXTERNAL_HOST is true."""
    return annotations.get(EXTERNAL_HOST.full_name) == "true"


def _read(annotation: Annotation[_Value], annotations: Mapping[str, str], report: Report) -> _Value | None:
    text = annotations.get(annotation.full_name)
    if not text:
        return None
    try:
        return annotation.grammar.parse(text)
    except InvalidValueError as error:
        why = f" ({error})" if str(error) else ""
        message = f"{annotation.full_name} is {shown(text)}, which is not {annotation.grammar.words}{why}"
        report(
            Reason.ANNOTATION_INVALID, f"{message}; the Service is used without", f"Write {annotation.grammar.words}."
        )
        return None
