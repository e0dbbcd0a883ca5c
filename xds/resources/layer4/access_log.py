"""The access log of layer 4: a line at the end of each connection of TCP, and of each session of UDP.

The format in the ConfigMap of ingress-nginx is about requests, whose fields a connection doesn't have.
"""

from collections.abc import Mapping
from typing import Final, TypeAlias

from xds.envoyapi import codec
from xds.envoyapi.messages import AccessLog, DataSource, StdoutAccessLog, Struct, SubstitutionFormatString, Value
from xds.resources.options import AccessLogFormat, ProxyOptions
from xds.traffic.backends import BackendKey
from xds.traffic.layer4 import PortListener

Fields: TypeAlias = Mapping[str, str | int]
"""The fields of a line, with Envoy's operators and texts for the values."""

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
}

_SESSION: Final = "udp.proxy.session"

SESSION_FIELDS: Final = {
    "time": "%START_TIME%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "flags": "%RESPONSE_FLAGS%",
    "bytes_received": f"%DYNAMIC_METADATA({_SESSION}:bytes_received)%",
    "bytes_sent": f"%DYNAMIC_METADATA({_SESSION}:bytes_sent)%",
    "datagrams_received": f"%DYNAMIC_METADATA({_SESSION}:datagrams_received)%",
    "datagrams_sent": f"%DYNAMIC_METADATA({_SESSION}:datagrams_sent)%",
    "duration_ms": "%DURATION%",
    "cluster": f"%DYNAMIC_METADATA({_SESSION}:cluster_name)%",
    "endpoint": "%UPSTREAM_HOST%",
}


def connection_log(port: PortListener, options: ProxyOptions) -> list[AccessLog]:
    """The log of a port of TCP: at most one."""
    return _log(_port_fields(port, CONNECTION_FIELDS), options)


def session_log(port: PortListener, options: ProxyOptions) -> list[AccessLog]:
    """The log of a port of UDP: at most one."""
    return _log(_port_fields(port, SESSION_FIELDS), options)


def passthrough_log(backend: BackendKey, options: ProxyOptions) -> list[AccessLog]:
    """The log of connections that go to a backend by their SNI: at most one."""
    place = {"protocol": "TLS", "sni": "%REQUESTED_SERVER_NAME%", "service": str(backend.service_key)}
    return _log(place | CONNECTION_FIELDS, options)


def _port_fields(port: PortListener, fields: Fields) -> Fields:
    place: dict[str, str | int] = {
        "protocol": port.key.transport.upper(),
        "port": port.key.number,
        "service": str(port.route.service),
    }
    return place | dict(fields)


def _log(fields: Fields, options: ProxyOptions) -> list[AccessLog]:
    if options.access_log is AccessLogFormat.OFF:
        return []
    if options.access_log is AccessLogFormat.JSON:
        values = {
            name: Value(number_value=value) if isinstance(value, int) else Value(string_value=value)
            for name, value in fields.items()
        }
        log_format = SubstitutionFormatString(json_format=Struct(fields=values))
    else:
        text = " ".join(str(value) for value in fields.values())
        log_format = SubstitutionFormatString(text_format_source=DataSource(inline_string=f"{text}\n"))
    config = codec.pack(StdoutAccessLog(log_format=log_format))
    return [AccessLog(name="envoy.access_loggers.stdout", typed_config=config)]
