"""The access log of layer 4: a line at the end of each connection of TCP, and of each session of UDP.

A field that requests have too has the same name here, and is in the line only if the operator has chosen the field for
requests.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

from xds.envoyapi import codec
from xds.envoyapi.messages import AccessLog, DataSource, StdoutAccessLog, Struct, SubstitutionFormatString, Value
from xds.resources.access_log import ACCESS_LOG_FIELDS, FURTHER_FIELDS
from xds.resources.options import AccessLogFormat, ProxyOptions

Fields: TypeAlias = Mapping[str, str | int]
"""Envoy's operators, or plain values, by the keys of a line."""

CONNECTION_FIELDS: Final = {
    "time": "%START_TIME%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "details": "%CONNECTION_TERMINATION_DETAILS%",
    "flags": "%RESPONSE_FLAGS%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "duration_ms": "%DURATION%",
    "cluster": "%UPSTREAM_CLUSTER%",
    "endpoint": "%UPSTREAM_HOST%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "failure": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    "sni": "%REQUESTED_SERVER_NAME%",
}


def _of_session(figure: str) -> str:
    return f"%DYNAMIC_METADATA(udp.proxy.session:{figure})%"


SESSION_FIELDS: Final = {
    "time": "%START_TIME%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "flags": "%RESPONSE_FLAGS%",
    "bytes_received": _of_session("bytes_received"),
    "bytes_sent": _of_session("bytes_sent"),
    "datagrams_received": _of_session("datagrams_received"),
    "datagrams_sent": _of_session("datagrams_sent"),
    "duration_ms": "%DURATION%",
    "cluster": _of_session("cluster_name"),
    "endpoint": "%UPSTREAM_HOST%",
}
"""Envoy keeps the figures of a session as metadata; its operators for connections give nothing."""

_TEXT: Final = (
    "[{client}] [%START_TIME(%d/%b/%Y:%H:%M:%S %z)%] {protocol} {flags} {bytes_sent} {bytes_received} {duration_ms} "
    "{port} {service} [{cluster}] {endpoint} {attempts} {sni}"
)
"""The order of ingress-nginx's default `log-format-stream`, then port, Service, cluster, endpoint, attempts and SNI."""


def layer4_log(fields: Fields, options: ProxyOptions) -> list[AccessLog]:
    """The log of connections or sessions with these fields: at most one."""
    policy = options.policy.access_log
    if options.access_log is AccessLogFormat.OFF or not policy.has_connections:
        return []
    if options.access_log is AccessLogFormat.JSON and not policy.connection_text:
        log_format = _json(_chosen(fields, options.access_log_fields))
    else:
        text = (policy.connection_text or _TEXT).format_map(_Known(fields))
        log_format = SubstitutionFormatString(text_format_source=DataSource(inline_string=f"{text}\n"))
    config = codec.pack(StdoutAccessLog(log_format=log_format))
    return [AccessLog(name="envoy.access_loggers.stdout", typed_config=config)]


class _Known(dict[str, str | int]):
    """The fields of a line; a field that the line lacks is a hyphen."""

    def __missing__(self, field: str) -> str:
        return "-"


def _chosen(fields: Fields, chosen: tuple[str, ...]) -> Fields:
    """The fields that the operator has chosen, and those that requests lack. An empty choice chooses all fields."""
    choice = {*ACCESS_LOG_FIELDS, *FURTHER_FIELDS}
    return {name: value for name, value in fields.items() if not chosen or name in chosen or name not in choice}


def _json(fields: Fields) -> SubstitutionFormatString:
    values = {
        name: Value(number_value=value) if isinstance(value, int) else Value(string_value=value)
        for name, value in fields.items()
    }
    return SubstitutionFormatString(json_format=Struct(fields=values))
