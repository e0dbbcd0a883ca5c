"""Keys of the access log."""

import json
import re
from typing import Final

from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.listeners import AccessLogPolicy, Headers
from xds.translate.nginx.annotation import Verdict
from xds.translate.nginx.configmap.grammars import list_of
from xds.translate.nginx.configmap.key import ConfigKey, Section, not_yet, refused, without_effect
from xds.translate.nginx.configmap.patterns import patterns
from xds.translate.nginx.configmap.reader import ConfigReader
from xds.translate.nginx.grammars import ANYTHING, BOOLEAN

_SECTION: Final = Section.OBSERVATION

DISABLED: Final = ConfigKey("disable-access-log", _SECTION, BOOLEAN, "false")
HTTP_DISABLED: Final = ConfigKey("disable-http-access-log", _SECTION, BOOLEAN, "false")
STREAM_DISABLED: Final = ConfigKey("disable-stream-access-log", _SECTION, BOOLEAN, "false")
FORMAT: Final = ConfigKey(
    "log-format-upstream",
    _SECTION,
    ANYTHING,
    "",
    Verdict.APPROXIMATE,
    "a variable that Envoy has no operator for is written as a hyphen; times are milliseconds",
)
STREAM_FORMAT: Final = ConfigKey(
    "log-format-stream",
    _SECTION,
    ANYTHING,
    "",
    Verdict.APPROXIMATE,
    "a variable that Envoy has no operator for is a hyphen; times are milliseconds; the status is Envoy's flags",
)
ESCAPES_JSON: Final = ConfigKey(
    "log-format-escape-json",
    _SECTION,
    BOOLEAN,
    "false",
    Verdict.APPROXIMATE,
    "a format that is a flat JSON object is written as JSON; any other one as text",
)
UNLOGGED: Final = ConfigKey(
    "skip-access-log-urls",
    _SECTION,
    list_of("a list of paths with their query, or of expressions after ~ or ~*", str),
    verdict=Verdict.APPROXIMATE,
    note="a path that rewrite-target replaced is compared as replaced",
)
KEYS: Final = (
    DISABLED,
    HTTP_DISABLED,
    STREAM_DISABLED,
    FORMAT,
    STREAM_FORMAT,
    ESCAPES_JSON,
    UNLOGGED,
    *refused(
        _SECTION,
        "Envoy's log goes to standard output, where the default path leads to as well",
        "Collect the log from standard output.",
        access_log_path="/var/log/nginx/access.log",
        http_access_log_path="",
        stream_access_log_path="",
    ),
    *not_yet(_SECTION, "requests for unknown hosts are logged", enable_access_log_for_default_backend="false"),
    *without_effect(_SECTION, "Envoy escapes no characters of a line of text", log_format_escape_none="false"),
    *without_effect(_SECTION, "lines are written at once", access_log_params=""),
    *without_effect(_SECTION, "requests for authentication write no line", enable_auth_access_log="false"),
)

_VARIABLE: Final = re.compile(r"\$(?:\{(?P<braced>[0-9A-Za-z_]+)\}|(?P<plain>[0-9A-Za-z_]+))")
_UNQUOTED: Final = re.compile(r"(:\s*)(\$\{?[0-9A-Za-z_]+\}?)(?=\s*[,}])")
_UNKNOWN: Final = "-"
_PATH: Final = "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"

_VARIABLES: Final = {
    "remote_addr": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "proxy_protocol_addr": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "remote_user": _UNKNOWN,
    "time_local": "%START_TIME(%d/%b/%Y:%H:%M:%S %z)%",
    "time_iso8601": "%START_TIME(%Y-%m-%dT%H:%M:%S%Ez)%",
    "msec": "%START_TIME(%s.%3f)%",
    "request": f"%REQ(:METHOD)% {_PATH} %PROTOCOL%",
    "request_method": "%REQ(:METHOD)%",
    "request_uri": _PATH,
    "uri": "%PATH(NQ)%",
    "server_protocol": "%PROTOCOL%",
    "scheme": "%REQ(:SCHEME)%",
    "status": "%RESPONSE_CODE%",
    "body_bytes_sent": "%BYTES_SENT%",
    "bytes_sent": "%BYTES_SENT%",
    "request_length": "%BYTES_RECEIVED%",
    "request_time": "%DURATION%",
    "host": "%REQ(:AUTHORITY)%",
    "http_host": "%REQ(:AUTHORITY)%",
    "upstream_addr": "%UPSTREAM_HOST%",
    "upstream_status": "%RESPONSE_CODE%",
    "upstream_response_time": "%RESPONSE_DURATION%",
    "upstream_response_length": "%BYTES_SENT%",
    "proxy_upstream_name": "%UPSTREAM_CLUSTER%",
    "proxy_alternative_upstream_name": _UNKNOWN,
    "req_id": "%REQ(X-REQUEST-ID)%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "ssl_protocol": "%DOWNSTREAM_TLS_VERSION%",
    "ssl_cipher": "%DOWNSTREAM_TLS_CIPHER%",
    "ssl_server_name": "%REQUESTED_SERVER_NAME%",
    "ingress_name": "%METADATA(ROUTE:xds-ingress:ingress)%",
    "service_name": "%METADATA(ROUTE:xds-ingress:service)%",
}
"""Envoy's operators, by nginx's variables. Source:
https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage
"""

_STREAM_VARIABLES: Final = {
    "remote_addr": "{client}",
    "remote_port": "%DOWNSTREAM_REMOTE_PORT%",
    "proxy_protocol_addr": "{client}",
    "proxy_protocol_port": "%DOWNSTREAM_REMOTE_PORT%",
    "time_local": _VARIABLES["time_local"],
    "time_iso8601": _VARIABLES["time_iso8601"],
    "msec": _VARIABLES["msec"],
    "protocol": "{protocol}",
    "status": "{flags}",
    "bytes_sent": "{bytes_sent}",
    "bytes_received": "{bytes_received}",
    "session_time": "{duration_ms}",
    "server_port": "{port}",
    "upstream_addr": "{endpoint}",
    "upstream_bytes_sent": "{bytes_received}",
    "upstream_bytes_received": "{bytes_sent}",
    "proxy_upstream_name": "{cluster}",
    "ssl_preread_server_name": "{sni}",
}
"""Fields of `resources.layer4.access_log` and Envoy's operators, by the variables of nginx's connections. Source:
https://nginx.org/en/docs/stream/ngx_stream_core_module.html#variables
"""


def policy(reader: ConfigReader, max_regex_size: int) -> AccessLogPolicy:
    """The access log."""
    written = reader.get(FORMAT) or ""
    _report_unknown(reader, FORMAT, [name for name in _names(written) if _lacks(name)])
    is_json = bool(written) and reader.get(ESCAPES_JSON) is True
    fields = _fields(written) if is_json else ()
    return AccessLogPolicy(
        is_on=not (reader.get(DISABLED) or reader.get(HTTP_DISABLED)),
        text=f"{_format(written)}\n" if written and not fields else "",
        fields=fields,
        unlogged=tuple(patterns(reader, UNLOGGED, max_regex_size)),
        has_connections=not (reader.get(DISABLED) or reader.get(STREAM_DISABLED)),
        connection_text=_connection_text(reader),
    )


def _connection_text(reader: ConfigReader) -> str:
    written = reader.get(STREAM_FORMAT) or ""
    _report_unknown(reader, STREAM_FORMAT, [name for name in _names(written) if name not in _STREAM_VARIABLES])
    parts = []
    end = 0
    for found in _VARIABLE.finditer(written):
        parts += [_plain(written[end : found.start()])]
        parts += [_STREAM_VARIABLES.get(found["braced"] or found["plain"], _UNKNOWN)]
        end = found.end()
    return "".join((*parts, _plain(written[end:])))


def _plain(text: str) -> str:
    """Text between variables, for Envoy and in a text with names in braces."""
    return text.replace("%", "%%").replace("{", "{{").replace("}", "}}")


def _report_unknown(reader: ConfigReader, key: ConfigKey[str], names: list[str]) -> None:
    if names:
        unknown = shown(", ".join(dict.fromkeys(names)))
        message = f"{key.name} has variables without a counterpart, written as a hyphen: {unknown}"
        reader.report(key, Reason.CONFIG_KEY_INVALID, message, "Remove the variables.")


def _lacks(name: str) -> bool:
    return _operator(name) == _UNKNOWN and name not in _VARIABLES


def _names(text: str) -> list[str]:
    return [found["braced"] or found["plain"] for found in _VARIABLE.finditer(text)]


def _format(text: str) -> str:
    return _VARIABLE.sub(lambda found: _operator(found["braced"] or found["plain"]), text.replace("%", "%%"))


def _operator(name: str) -> str:
    header = name.removeprefix("http_")
    if name not in _VARIABLES and header and header != name:
        return f"%REQ({header.replace('_', '-').upper()})%"
    return _VARIABLES.get(name, _UNKNOWN)


def _fields(text: str) -> Headers:
    """The keys of a JSON object with formats as values; none for another text."""
    try:
        found = json.loads(_UNQUOTED.sub(r'\1"\2"', text))
    except ValueError:
        return ()
    if not isinstance(found, dict) or any(isinstance(value, dict | list) for value in found.values()):
        return ()
    return tuple((str(name), _format(str(value))) for name, value in found.items())
