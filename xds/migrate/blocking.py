"""Values that ingress-nginx passes on, and that nginx refuses: no change of any Ingress counts until they are gone."""

import re
from collections.abc import Mapping
from typing import Final

from xds.migrate.values import READ, Check, is_integer, is_path, number, words


def blocking(name: str, value: str) -> str:
    """Why nginx refuses a value that ingress-nginx passes on, so that no change of any Ingress counts; else empty."""
    refused = _REFUSED.get(name)
    return refused[1] if refused and refused[0](value) else ""


def _is_bad_code_list(value: str) -> bool:
    codes = [code for code in value.replace(" ", "").split(",") if code]
    is_passed_on = READ["custom-http-errors"][1](value)
    return is_passed_on and any(len(code) != 3 or code == "499" for code in codes)


def _is_one_word(value: str) -> bool:
    return value.strip() != "off" and len(value.split()) == 1


def _is_gigabytes(value: str) -> bool:
    return re.fullmatch(r"[0-9]+g", value.replace(" ", ""), re.IGNORECASE) is not None


def _has_stray_dollar(value: str) -> bool:
    unknown = [name for name in _VARIABLE.findall(value) if name not in _VARIABLES and not name.startswith(_PREFIXES)]
    return is_path(value) and (_STRAY_DOLLAR.search(value) is not None or bool(unknown))


_VARIABLE: Final = re.compile(r"\$([A-Za-z_][A-Za-z0-9_]*)")
_PREFIXES: Final = ("arg_", "http_", "cookie_", "sent_http_", "upstream_", "ssl_", "geoip", "proxy_", "realip_")
_VARIABLES: Final = frozenset(
    words(
        "args binary_remote_addr body_bytes_sent bytes_sent connection connection_requests content_length content_type "
        "document_root document_uri host hostname https is_args limit_rate msec nginx_version pid pipe "
        "proxy_add_x_forwarded_for query_string remote_addr remote_port remote_user request request_body "
        "request_body_file request_completion request_filename request_id request_length request_method request_time "
        "request_uri scheme server_addr server_name server_port server_protocol status time_iso8601 time_local uri "
        "namespace ingress_name service_name service_port location_path best_http_host pass_access_scheme "
        "pass_server_port pass_port the_real_ip req_id redirect_to connection_upgrade full_x_forwarded_for"
    )
)
"""Variables of nginx, and of ingress-nginx's template. Another name is refused by nginx.

Source: https://nginx.org/en/docs/varindex.html
"""
_STRAY_DOLLAR: Final = re.compile(r"\$(?:\$|0|[^A-Za-z1-9_]|$)")

_REFUSED: Final[Mapping[str, tuple[Check, str]]] = {
    **{
        name: (lambda value: number(value) < 0, "a negative number")
        for name in words("proxy-connect-timeout proxy-read-timeout proxy-send-timeout limit-burst-multiplier")
    },
    **dict.fromkeys(words("proxy-buffer-size proxy-busy-buffers-size"), (_is_gigabytes, "a size of gigabytes")),
    **dict.fromkeys(words("rewrite-target app-root"), (_has_stray_dollar, "a $ that begins no group and no variable")),
    "proxy-buffers-number": (lambda value: is_integer(value) and int(value) < 2, "less than 2 buffers"),
    "limit-rate": (lambda value: number(value) >= 2**31, "more than nginx can count"),
    "custom-http-errors": (_is_bad_code_list, "a code that nginx doesn't take"),
    "proxy-cookie-path": (_is_one_word, "one word in place of two"),
}
"""By annotation: the values that nginx refuses, and why."""
