"""The checks of hosts and paths: those of the API server, for sources that have none, and what Envoy needs beyond."""

import re
from typing import Final
from urllib.parse import quote

from xds.kube.objects import HTTPIngressPath
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.routes import PathType

_LABEL: Final = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_HOST: Final = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*")
_IPV4: Final = re.compile(r"[0-9]+(\.[0-9]+){3}")
_HOST_LENGTH: Final = 253

WILDCARD_LENGTH: Final = 80
WILDCARD_LABELS: Final = 20
"""Of wildcards, which Envoy is told as regular expressions. It refuses those whose program has more than 100 steps:
re2.max_program_size.error_level in https://www.envoyproxy.io/docs/envoy/latest/configuration/operations/runtime
"""

_PATH_LENGTH: Final = 4096
"""Of paths: a bound for memory, far below the 60 KiB of headers that Envoy accepts."""

_NEVER_MATCHES: Final = re.compile(r"//|/\.\.?(/|$)|[?#\\]")
_ESCAPED_SLASH: Final = re.compile(r"%2f", re.IGNORECASE)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

_LITERAL: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"<>^`{|}')
_UNRESERVED: Final = re.compile(r"%(2[de]|3\d|4[1-9a-f]|5[\daf]|6[1-9a-f]|7[\dae])", re.IGNORECASE)
"""What needs no escape, escaped: https://www.rfc-editor.org/rfc/rfc3986#section-2.3"""

_TYPES: Final = {
    "Exact": PathType.EXACT,
    "Prefix": PathType.PREFIX,
    # "Up to the IngressClass": https://kubernetes.io/docs/concepts/services-networking/ingress/#path-types
    "ImplementationSpecific": PathType.PREFIX,
}


class InvalidError(ValueError):
    """A value that can't be honoured. The text says what is wrong with it; `reason` is a Problem's."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


def valid_host(host: str) -> str:
    """The host in lower case: a DNS name, or a wildcard whose first label is `*`.

    Raises:
        InvalidError: for anything else.
    """
    lowered = host.lower()
    if len(host) > _HOST_LENGTH or not _HOST.fullmatch(lowered) or _IPV4.fullmatch(lowered):
        raise InvalidError(
            Reason.INVALID_HOST, f"{shown(host)} is neither a DNS name nor a wildcard such as '*.example.com'"
        )
    if lowered.startswith("*") and (len(host) > WILDCARD_LENGTH or host.count(".") >= WILDCARD_LABELS):
        limits = f"{WILDCARD_LENGTH} characters or {WILDCARD_LABELS} labels"
        raise InvalidError(
            Reason.INVALID_HOST, f"{shown(host)} is a wildcard of more than {limits}, which Envoy would refuse"
        )
    return lowered


def is_subdomain(name: str) -> bool:
    """Whether most kinds of object could be called so.

    Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names
    """
    return len(name) <= _HOST_LENGTH and not name.startswith("*") and _HOST.fullmatch(name) is not None


def is_label(name: str) -> bool:
    """Whether a Service could be called so.

    Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names
    """
    return re.fullmatch(_LABEL, name) is not None


def valid_path(path: HTTPIngressPath) -> tuple[str, PathType]:
    """The path as a request would carry it, and how it is compared.

    Raises:
        InvalidError: when the API server would refuse it, or when no normalized request path can match it.
    """
    if path.path_type not in _TYPES:
        raise InvalidError(
            Reason.INVALID_PATH_TYPE,
            f"pathType {shown(path.path_type)} is none of Exact, Prefix, ImplementationSpecific",
        )
    implementation_specific = path.path_type == "ImplementationSpecific"
    written = path.path or ("/" if implementation_specific else "")
    if len(written) > _PATH_LENGTH:
        raise InvalidError(Reason.INVALID_PATH, f"path {shown(written)} has more than {_PATH_LENGTH} characters")
    text = canonical(_clean(written))
    if not text.startswith("/"):
        raise InvalidError(Reason.INVALID_PATH, f"path {shown(written)} doesn't begin with '/'")
    if _NEVER_MATCHES.search(text) or (_ESCAPED_SLASH.search(text) and not implementation_specific):
        raise InvalidError(
            Reason.INVALID_PATH,
            f"path {shown(written)} can't match: request paths are normalized and carry no query when compared",
        )
    return text, _TYPES[path.path_type]


def _clean(path: str) -> str:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise InvalidError(Reason.INVALID_PATH, f"path {shown(path)} is not valid Unicode") from None
    if _CONTROL.search(path):
        raise InvalidError(Reason.INVALID_PATH, f"path {shown(path)} contains control characters")
    return path


def canonical(path: str) -> str:
    """The path with just those characters escaped that Envoy 1.40 escapes when it normalizes a request's path.

    Escapes of other characters are left as they are, as is the case of their digits.
    """
    return quote(_UNRESERVED.sub(lambda escape: chr(int(escape[1], 16)), path), safe=_LITERAL)
