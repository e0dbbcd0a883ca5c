"""proxy-set-headers and add-headers: headers from ConfigMaps that ingress-nginx's ConfigMap names."""

import re
from collections.abc import Iterator
from typing import Final

from xds.kube.objects import ConfigMap
from xds.problems.problem import Key
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.listeners import Headers
from xds.translate.nginx.annotation import InvalidValueError, Verdict
from xds.translate.nginx.configmap.key import AnyKey, ConfigKey, Section
from xds.translate.nginx.configmap.reader import ConfigReader
from xds.translate.nginx.custom_headers import MAX_HEADERS
from xds.translate.nginx.grammars import OBJECT_NAME

_SECTION: Final = Section.HEADERS

REQUEST_HEADERS: Final = ConfigKey(
    "proxy-set-headers",
    _SECTION,
    OBJECT_NAME,
    verdict=Verdict.APPROXIMATE,
    note="a header whose value has another variable than remote_addr, host, scheme, request_id, request_uri, "
    "request_method, http_NAME, ssl_protocol and ssl_client_s_dn is left out, and so are Host and the headers of a "
    "connection",
)
RESPONSE_HEADERS: Final = ConfigKey(
    "add-headers",
    _SECTION,
    OBJECT_NAME,
    verdict=Verdict.APPROXIMATE,
    note="a header that can't be set is left out, as with proxy-set-headers",
)
KEYS: Final[tuple[AnyKey, ...]] = (REQUEST_HEADERS, RESPONSE_HEADERS)

MAX_HEADER_BYTES: Final = 16 * 1024
"""Names and values of a ConfigMap together."""

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")
_VALUE: Final = re.compile(r"[ -~]*")
_VARIABLE: Final = re.compile(r"\$(?:\{(?P<braced>[0-9A-Za-z_]+)\}|(?P<plain>[0-9A-Za-z_]+))")

_VARIABLES: Final = {
    "remote_addr": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "host": "%REQ(:AUTHORITY)%",
    "http_host": "%REQ(:AUTHORITY)%",
    "scheme": "%REQ(:SCHEME)%",
    "request_id": "%REQ(X-REQUEST-ID)%",
    "req_id": "%REQ(X-REQUEST-ID)%",
    "request_uri": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "request_method": "%REQ(:METHOD)%",
    "ssl_protocol": "%DOWNSTREAM_TLS_VERSION%",
    "ssl_client_s_dn": "%DOWNSTREAM_PEER_SUBJECT%",
}
"""Envoy's operators, by nginx's variables. Source:
https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage
"""

_NEVER: Final = frozenset(
    [
        "connection",
        "content-length",
        "host",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    ]
)
"""Headers that Envoy itself writes for each message."""


def named_config_maps(config: ConfigMap) -> frozenset[Key]:
    """The ConfigMaps that ingress-nginx's ConfigMap names."""
    return frozenset(_names(config.data or {}))


def _names(data: dict[str, str]) -> Iterator[Key]:
    for key in KEYS:
        try:
            yield OBJECT_NAME.parse(data.get(key.name, ""))
        except InvalidValueError:
            continue


def headers(reader: ConfigReader, key: ConfigKey[Key]) -> Headers:
    """The headers of the ConfigMap that a key names, sorted. A header that can't be set is a problem."""
    name = reader.get(key)
    if name is None:
        return ()
    found = reader.config_map(name)
    if found is None or found.data is None:
        why = "can't be read" if found else "doesn't exist"
        message = f"{key.name} names ConfigMap {name}, which {why}: none of its headers is set"
        reader.report(key, Reason.CONFIG_MAP_NOT_FOUND, message, "Create the ConfigMap, or grant the right to read it.")
        return ()
    if len(found.data) > MAX_HEADERS or sum(map(len, (*found.data, *found.data.values()))) > MAX_HEADER_BYTES:
        most = f"{MAX_HEADERS} headers or {MAX_HEADER_BYTES // 1024} KiB"
        message = f"{key.name} names ConfigMap {name}, which has more than {most}"
        reader.report(key, Reason.CONFIG_KEY_INVALID, message, "Shorten the ConfigMap.")
        return ()
    return tuple(sorted(_written(reader, key, found.data)))


def _written(reader: ConfigReader, key: AnyKey, data: dict[str, str]) -> Iterator[tuple[str, str]]:
    for name, value in data.items():
        try:
            yield _header(name), _format(value)
        except InvalidValueError as error:
            message = f"header {shown(name)} of {key.name} is left out: {error}"
            reader.report(key, Reason.CONFIG_KEY_INVALID, message, "Correct or remove the header.")


def _header(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InvalidValueError("its name has other characters than letters, digits, - and _")
    if name.lower() in _NEVER:
        raise InvalidValueError("Envoy writes this header itself")
    return name.lower()


def _format(value: str) -> str:
    """The value in Envoy's format."""
    if not value or not _VALUE.fullmatch(value):
        raise InvalidValueError("its value is empty, or has a line break or a character beyond ASCII")

    def operator(found: re.Match[str]) -> str:
        return _operator(found["braced"] or found["plain"])

    return _VARIABLE.sub(operator, value.replace("%", "%%"))


def _operator(variable: str) -> str:
    if known := _VARIABLES.get(variable):
        return known
    header = variable.removeprefix("http_")
    if header and header != variable:
        return f"%REQ({header.replace('_', '-').upper()})%"
    raise InvalidValueError(f"its value has the variable ${variable}, which Envoy doesn't have")
