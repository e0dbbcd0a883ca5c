"""The access log of a proxy: a line of JSON for each request, on standard output."""

from typing import Final

from xds.envoyapi import codec
from xds.envoyapi.messages import AccessLog, StdoutAccessLog, Struct, SubstitutionFormatString, Value
from xds.resources import names

ACCESS_LOG_FIELDS: Final = {
    "time": "%START_TIME%",
    "client": "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "method": "%REQ(:METHOD)%",
    "scheme": "%REQ(:SCHEME)%",
    "host": "%REQ(:AUTHORITY)%",
    "path": "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%",
    "protocol": "%PROTOCOL%",
    "status": "%RESPONSE_CODE%",
    "details": "%RESPONSE_CODE_DETAILS%",
    "flags": "%RESPONSE_FLAGS%",
    "bytes_received": "%BYTES_RECEIVED%",
    "bytes_sent": "%BYTES_SENT%",
    "duration_ms": "%DURATION%",
    "ingress": f"%METADATA(ROUTE:{names.METADATA_NAMESPACE}:ingress)%",
    "service": f"%METADATA(ROUTE:{names.METADATA_NAMESPACE}:service)%",
    "route": "%ROUTE_NAME%",
    "cluster": "%UPSTREAM_CLUSTER%",
    "endpoint": "%UPSTREAM_HOST%",
    "attempts": "%UPSTREAM_REQUEST_ATTEMPT_COUNT%",
    "failure": "%UPSTREAM_TRANSPORT_FAILURE_REASON%",
    "sni": "%REQUESTED_SERVER_NAME%",
    "user_agent": "%REQ(USER-AGENT)%",
    "forwarded_for": "%REQ(X-FORWARDED-FOR)%",
    "request_id": "%REQ(X-REQUEST-ID)%",
}
"""Keys of the line, and Envoy's operators for the values.

Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/observability/access_log/usage
"""


def access_log() -> AccessLog:
    log_format = SubstitutionFormatString(
        json_format=Struct(fields={name: Value(string_value=operator) for name, operator in ACCESS_LOG_FIELDS.items()})
    )
    config = codec.pack(StdoutAccessLog(log_format=log_format))
    return AccessLog(name="envoy.access_loggers.stdout", typed_config=config)
