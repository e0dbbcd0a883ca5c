"""The loggers of connections and sessions: a line of the access log at the end, and figures by Service."""

from xds.envoyapi.messages import AccessLog
from xds.problems.problem import Key
from xds.resources.layer4.access_log import CONNECTION_FIELDS, SESSION_FIELDS, Fields, layer4_log
from xds.resources.layer4.metrics import layer4_metrics
from xds.resources.options import ProxyOptions
from xds.traffic.layer4 import PortKey, PortListener, Transport


def port_logs(port: PortListener, options: ProxyOptions) -> list[AccessLog]:
    """The loggers of a port."""
    return listener_logs(str(port.key), port.key, port.route.service, options)


def listener_logs(listener: str, port: PortKey, service: Key, options: ProxyOptions) -> list[AccessLog]:
    """The loggers of a listener all of whose connections or sessions go to one Service."""
    is_udp = port.transport is Transport.UDP
    fields = SESSION_FIELDS if is_udp else {name: each for name, each in CONNECTION_FIELDS.items() if name != "sni"}
    place: Fields = {"protocol": port.transport.upper(), "port": port.number}
    return _logs(listener, service, {**place, **fields}, options)


def passthrough_logs(listener: str, service: Key, options: ProxyOptions) -> list[AccessLog]:
    """The loggers of connections that go to a Service by their SNI."""
    place: Fields = {"protocol": "TLS", "port": options.https_port}
    return _logs(listener, service, {**place, **CONNECTION_FIELDS}, options)


def _logs(listener: str, service: Key, fields: Fields, options: ProxyOptions) -> list[AccessLog]:
    log = layer4_log({**fields, "service": str(service)}, options)
    return [*log, *layer4_metrics(listener, service, fields, options)]
