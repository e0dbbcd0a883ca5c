"""Keys of compression, logs and traces."""

from collections.abc import Iterator
from typing import Final

from xds.traffic.listeners import Compression, Encoding
from xds.translate.nginx.configmap.grammars import list_of, media_type, number
from xds.translate.nginx.configmap.key import (
    ConfigKey,
    Section,
    not_yet,
    of_annotations,
    refused,
    without_effect,
)
from xds.translate.nginx.configmap.reader import ConfigReader
from xds.translate.nginx.grammars import BOOLEAN

_SECTION: Final = Section.OBSERVATION

_TYPES: Final = (
    "application/atom+xml application/javascript application/x-javascript application/json application/rss+xml "
    "application/vnd.ms-fontobject application/x-font-ttf application/x-web-app-manifest+json application/xhtml+xml "
    "application/xml font/opentype image/svg+xml image/x-icon text/css text/javascript text/plain text/x-component"
)
_TYPE_LIST: Final = list_of("a list of media types, with blanks between", media_type, " ")
_ANY_TYPE: Final = "*"
_ALWAYS: Final = "text/html"
"""nginx compresses pages whatever the list says."""

GZIP: Final = ConfigKey("use-gzip", _SECTION, BOOLEAN, "false")
GZIP_LEVEL: Final = ConfigKey("gzip-level", _SECTION, number(1, 9), "1")
GZIP_MIN: Final = ConfigKey("gzip-min-length", _SECTION, number(0, 2**31 - 1), "256")
GZIP_TYPES: Final = ConfigKey("gzip-types", _SECTION, _TYPE_LIST, _TYPES)
BROTLI: Final = ConfigKey("enable-brotli", _SECTION, BOOLEAN, "false")
BROTLI_LEVEL: Final = ConfigKey("brotli-level", _SECTION, number(0, 11), "4")
BROTLI_MIN: Final = ConfigKey("brotli-min-length", _SECTION, number(0, 2**31 - 1), "20")
BROTLI_TYPES: Final = ConfigKey("brotli-types", _SECTION, _TYPE_LIST, _TYPES)

_TRACES: Final = "traces are switched on by --otlp"
_GONE: Final = "ingress-nginx dropped it in 1.10"

KEYS: Final = (
    GZIP,
    GZIP_LEVEL,
    GZIP_MIN,
    GZIP_TYPES,
    BROTLI,
    BROTLI_LEVEL,
    BROTLI_MIN,
    BROTLI_TYPES,
    *refused(_SECTION, "compression asks for no user agent", "Remove the key.", gzip_disable=""),
    *without_effect(
        _SECTION,
        "Envoy's own log is set where Envoy is started",
        error_log_path="/var/log/nginx/error.log",
        error_log_level="notice",
    ),
    *refused(
        _SECTION,
        "Envoy writes to no syslog",
        "Collect the log from standard output.",
        enable_syslog="false",
        syslog_host="",
        syslog_port="514",
    ),
    *of_annotations(
        _SECTION,
        enable_opentelemetry="false",
        opentelemetry_trust_incoming_span="true",
        opentelemetry_operation_name="",
    ),
    *not_yet(
        _SECTION,
        _TRACES,
        otlp_collector_host="",
        otlp_collector_port="4317",
        otel_service_name="nginx",
        otel_sampler="AlwaysOn",
        otel_sampler_ratio="0.01",
        otel_sampler_parent_based="true",
    ),
    *refused(
        _SECTION,
        "a file of nginx's module",
        "Name the collector by --otlp.",
        opentelemetry_config="/etc/ingress-controller/telemetry/opentelemetry.toml",
    ),
    *without_effect(
        _SECTION,
        "Envoy buffers spans by itself",
        otel_max_queuesize="2048",
        otel_schedule_delay_millis="5000",
        otel_max_export_batch_size="512",
    ),
    *refused(
        _SECTION,
        _GONE,
        "Send traces by OTLP, which Jaeger, Zipkin and Datadog take: --otlp.",
        jaeger_collector_host="",
        jaeger_collector_port="6831",
        jaeger_endpoint="",
        jaeger_service_name="nginx",
        jaeger_propagation_format="jaeger",
        jaeger_sampler_type="const",
        jaeger_sampler_param="1",
        jaeger_sampler_host="http://127.0.0.1",
        jaeger_sampler_port="5778",
        jaeger_trace_context_header_name="uber-trace-id",
        jaeger_debug_header="uber-debug-id",
        jaeger_baggage_header="jaeger-baggage",
        jaeger_tracer_baggage_header_prefix="uberctx-",
        zipkin_collector_host="",
        zipkin_collector_port="9411",
        zipkin_service_name="nginx",
        zipkin_sample_rate="1.0",
        datadog_collector_host="",
        datadog_collector_port="8126",
        datadog_service_name="nginx",
        datadog_environment="prod",
        datadog_operation_name_override="nginx.handle",
        datadog_priority_sampling="true",
        datadog_sample_rate="1.0",
    ),
)


def compressions(reader: ConfigReader) -> Iterator[Compression]:
    """The compressions, the preferred first: nginx's brotli module comes first."""
    brotli = (BROTLI, BROTLI_LEVEL, BROTLI_MIN, BROTLI_TYPES, Encoding.BROTLI)
    gzip = (GZIP, GZIP_LEVEL, GZIP_MIN, GZIP_TYPES, Encoding.GZIP)
    for switch, level, least, types, encoding in (brotli, gzip):
        if reader.get(switch):
            listed = reader.value(types)
            kinds = () if _ANY_TYPE in listed else tuple(sorted({*listed, _ALWAYS}))
            yield Compression(encoding, reader.value(level), reader.value(least), kinds)
