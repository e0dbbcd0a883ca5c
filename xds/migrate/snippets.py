"""The lines of a snippet, each with the typed annotation that says the same."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from xds.translate.nginx.registry import ANNOTATIONS


@dataclass(frozen=True, slots=True)
class SnippetLine:
    """A directive of a snippet.

    Attributes:
        text: As written.
        instead: The annotation to write, or that there is none.
    """

    text: str
    instead: str


_DIRECTIVE: Final = re.compile(r"((?:[^;{}#\"']|\"[^\"]*\"|'[^']*'|#[^\n]*\n?)*)([;{}]|$)")
_COMMENT: Final = re.compile(r"#[^\n]*")
_REDIRECT: Final = re.compile(r"return\s+(30[12378])\s+\S")
_ANSWER: Final = re.compile(r"return\s+\d{3}\b")
_MAX_LINES: Final = 100
_MAX_CHARACTERS: Final = 200

BY_HAND: Final = "no annotation says this; move it into the application, or to a proxy in front"

_DIRECTIVES: Final = {
    "more_set_headers": "xds-ingress.dev/response-headers",
    "more_clear_headers": "xds-ingress.dev/response-headers, -NAME",
    "add_header": "xds-ingress.dev/response-headers",
    "proxy_hide_header": "xds-ingress.dev/response-headers, -NAME",
    "proxy_set_header": "xds-ingress.dev/request-headers",
    "more_set_input_headers": "xds-ingress.dev/request-headers",
    "more_clear_input_headers": "xds-ingress.dev/request-headers, -NAME",
    "deny": "denylist-source-range",
    "allow": "allowlist-source-range",
    "client_max_body_size": "proxy-body-size",
    "auth_basic": "auth-type and auth-realm",
    "auth_basic_user_file": "auth-secret",
    "auth_request": "auth-url",
    "satisfy": "satisfy",
    "rewrite": "rewrite-target",
    "limit_req": "limit-rps",
    "access_log": "enable-access-log",
    "gzip": "the key use-gzip of ingress-nginx's ConfigMap",
    "proxy_ssl_verify": "proxy-ssl-verify",
    "sub_filter": BY_HAND,
}


def lines(snippet: str) -> Iterator[SnippetLine]:
    """The directives of a snippet, the opening ones of blocks included."""
    found = (match[1] for match in _DIRECTIVE.finditer(snippet))
    written = (text for each in found if (text := " ".join(_COMMENT.sub("", each).split())))
    for _, text in zip(range(_MAX_LINES), written, strict=False):
        yield SnippetLine(text[:_MAX_CHARACTERS], _instead(text))


def _instead(text: str) -> str:
    name = text.split(maxsplit=1)[0]
    if redirect := _REDIRECT.match(text):
        return "permanent-redirect" if redirect[1] in ("301", "308") else "temporal-redirect"
    if _ANSWER.match(text):
        return "xds-ingress.dev/answer"
    if name in _DIRECTIVES:
        return _DIRECTIVES[name]
    annotation = name.replace("_", "-")
    return annotation if annotation in ANNOTATIONS else BY_HAND
