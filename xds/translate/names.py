"""Checks of hosts and paths: the API server's, for manifests that never passed an API server, and Envoy's."""

import re
import sys
from collections.abc import Iterable
from itertools import islice
from typing import Final
from urllib.parse import quote

from xds.kube.objects import HTTPIngressPath
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.regex import RegexError, compiled, is_literal, replaceable, whole_path
from xds.traffic.routes import PathType, Route

_LABEL: Final = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"
_HOST: Final = re.compile(rf"(\*\.)?{_LABEL}(\.{_LABEL})*")
_IPV4: Final = re.compile(r"[0-9]+(\.[0-9]+){3}")
MAX_HOST_CHARACTERS: Final = 253

MAX_WILDCARD_CHARACTERS: Final = 80
MAX_WILDCARD_LABELS: Final = 20
"""Wildcards become regular expressions, and Envoy rejects a regular expression of more than 100 steps:
re2.max_program_size.error_level in https://www.envoyproxy.io/docs/envoy/latest/configuration/operations/runtime
"""

_MAX_PATH_CHARACTERS: Final = 4096
"""Bounds memory, far below the 60 KiB of headers that Envoy accepts."""

_NEVER_MATCHES: Final = re.compile(r"//|/\.\.?(/|$)|[?#\\]")
_ESCAPED_SLASH: Final = re.compile(r"%2f", re.IGNORECASE)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")

_NOT_IN_REQUESTS: Final = re.compile(r'[^!-~]|["`]')
"""Characters that are escaped in a normalized request, and that are no part of an expression's language."""

_LITERAL: Final = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) not in '"<>^`{|}')
_UNRESERVED: Final = re.compile(r"%(2[de]|3\d|4[1-9a-f]|5[\daf]|6[1-9a-f]|7[\dae])", re.IGNORECASE)
"""Escapes of characters that need none: https://www.rfc-editor.org/rfc/rfc3986#section-2.3"""

_PATH_TYPES: Final = {
    "Exact": PathType.EXACT,
    "Prefix": PathType.PREFIX,
    # "Up to the IngressClass": https://kubernetes.io/docs/concepts/services-networking/ingress/#path-types
    "ImplementationSpecific": PathType.PREFIX,
}


class InvalidError(ValueError):
    """An invalid value. The text is the beginning of a problem's message; `reason` is the problem's."""

    def __init__(self, reason: Reason, text: str) -> None:
        super().__init__(text)
        self.reason = reason


def valid_host(host: str) -> str:
    """The host in lower case: a DNS name, or a wildcard whose first label is `*`.

    Raises:
        InvalidError: the host is neither.
    """
    lowered = host.lower()
    if len(host) > MAX_HOST_CHARACTERS or not _HOST.fullmatch(lowered) or _IPV4.fullmatch(lowered):
        raise InvalidError(
            Reason.INVALID_HOST, f"{shown(host)} is neither a DNS name nor a wildcard such as '*.example.com'"
        )
    if lowered.startswith("*") and (len(host) > MAX_WILDCARD_CHARACTERS or host.count(".") >= MAX_WILDCARD_LABELS):
        limits = f"{MAX_WILDCARD_CHARACTERS} characters or {MAX_WILDCARD_LABELS} labels"
        raise InvalidError(
            Reason.INVALID_HOST, f"{shown(host)} is a wildcard of more than {limits}, which Envoy would reject"
        )
    return lowered


def is_subdomain(name: str) -> bool:
    """Whether the text is a valid name for objects of most kinds.

    Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-subdomain-names
    """
    return len(name) <= MAX_HOST_CHARACTERS and not name.startswith("*") and _HOST.fullmatch(name) is not None


def is_label(name: str) -> bool:
    """Whether the text is a valid name for a Service.

    Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names
    """
    return re.fullmatch(_LABEL, name) is not None


def valid_path(path: HTTPIngressPath) -> tuple[str, PathType]:
    """The path in the form of a normalized request, and the way of comparison.

    Raises:
        InvalidError: the API server would reject the path, or no normalized request can match the path.
    """
    written = _written(path)
    text = canonical(written)
    if _NEVER_MATCHES.search(text) or (_ESCAPED_SLASH.search(text) and path.path_type != "ImplementationSpecific"):
        raise InvalidError(
            Reason.INVALID_PATH,
            f"path {shown(written)} can't match: request paths are normalized and carry no query when compared",
        )
    return text, _PATH_TYPES[path.path_type]


def regex_path(path: HTTPIngressPath, max_program_size: int) -> tuple[str, PathType]:
    """The path as an expression of RE2, for a host whose paths are expressions.

    Args:
        path: Of any type: the types mean nothing on such a host.
        max_program_size: The size of a compiled expression above which Envoy rejects the expression.

    Raises:
        InvalidError: the API server would reject the path, or RE2 or Envoy would.
    """
    written = _written(path)
    if is_literal(written):
        return canonical(written), PathType.REGEX
    if odd := _NOT_IN_REQUESTS.search(written):
        raise InvalidError(
            Reason.INVALID_PATH, f"path {shown(written)} can't match: request paths have no {shown(odd[0])}"
        )
    try:
        # A path that is no expression by itself could be one within others: `/a)|(b`.
        size = 0
        for expression in (written, whole_path(written), replaceable(written)):
            size = max(size, compiled(expression).programsize)
            if size > max_program_size:
                break
    except RegexError as error:
        raise InvalidError(Reason.INVALID_PATH, f"path {shown(written)} is no expression of RE2: {error}") from None
    if size > max_program_size:
        raise InvalidError(
            Reason.INVALID_PATH,
            f"path {shown(written)} is an expression of size {size}, and Envoy takes {max_program_size} at most",
        )
    return written, PathType.REGEX


def path_on(routes: Iterable[Route], path: HTTPIngressPath) -> tuple[str, PathType]:
    """The path as a host with such routes, in the order of trial, compares paths.

    Raises:
        InvalidError: as `valid_path` and `regex_path`.
    """
    # Either all paths are expressions or none is, but for an app-root in front.
    is_regex = any(route.path_type is PathType.REGEX for route in islice(routes, 2))
    return regex_path(path, sys.maxsize) if is_regex else valid_path(path)


def _written(path: HTTPIngressPath) -> str:
    """The path as written, for all that the two ways of comparison have in common.

    Raises:
        InvalidError: the API server would reject the path.
    """
    if path.path_type not in _PATH_TYPES:
        raise InvalidError(
            Reason.INVALID_PATH_TYPE,
            f"pathType {shown(path.path_type)} is none of Exact, Prefix, ImplementationSpecific",
        )
    written = path.path or ("/" if path.path_type == "ImplementationSpecific" else "")
    if len(written) > _MAX_PATH_CHARACTERS:
        raise InvalidError(
            Reason.INVALID_PATH, f"path {shown(written)} has more than {_MAX_PATH_CHARACTERS} characters"
        )
    if not canonical(_clean(written)).startswith("/"):
        raise InvalidError(Reason.INVALID_PATH, f"path {shown(written)} doesn't begin with '/'")
    return written


def _clean(path: str) -> str:
    try:
        path.encode()
    except UnicodeEncodeError:
        raise InvalidError(Reason.INVALID_PATH, f"path {shown(path)} is not valid Unicode") from None
    if _CONTROL.search(path):
        raise InvalidError(Reason.INVALID_PATH, f"path {shown(path)} contains control characters")
    return path


def canonical(path: str) -> str:
    """The path with the escapes that Envoy 1.40 leaves in a request's path when normalizing.

    Escapes of other characters stay, including the case of their digits.
    """
    return quote(_UNRESERVED.sub(lambda escape: chr(int(escape[1], 16)), path), safe=_LITERAL)
