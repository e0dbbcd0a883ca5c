"""The flags that influence the translation of Ingresses, shared by `serve` and the offline commands."""

from typing import Any, Final

import click
from click.core import ParameterSource

from xds.cli.access_log_field import AccessLogField
from xds.cli.gateway_options import GATEWAY_OPTIONS, beside_gateways, gateway_options
from xds.cli.layer4_options import LAYER4_OPTIONS, layer4_options
from xds.cli.names import ClassName, ControllerName, ObjectName, ServerName, UpgradeName
from xds.cli.options import PORT, Address, Duration, F, IpAddress, Number, option
from xds.kube.ingress_class import ClassOptions
from xds.kube.state import DEFAULT_CLASSES
from xds.resources.options import AccessLogFormat, ProxyOptions, TlsVersion, TracingOptions, UpstreamOptions
from xds.traffic.regex import DEFAULT_MAX_REGEX_SIZE
from xds.translate.nginx.annotation import PREFIX
from xds.translate.options import TranslateOptions
from xds.translate.ownership import HostOwnership

TLS_1_2_CIPHERS: Final = (
    "ECDHE-ECDSA-AES128-GCM-SHA256",
    "ECDHE-RSA-AES128-GCM-SHA256",
    "ECDHE-ECDSA-AES256-GCM-SHA384",
    "ECDHE-RSA-AES256-GCM-SHA384",
    "ECDHE-ECDSA-CHACHA20-POLY1305",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "ECDHE-ECDSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-ECDSA-AES256-SHA",
    "ECDHE-RSA-AES256-SHA",
    "AES128-GCM-SHA256",
    "AES256-GCM-SHA384",
    "AES128-SHA",
    "AES256-SHA",
)
"""The suites that Envoy knows. Source:
https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/transport_sockets/tls/v3/common.proto
"""

_DEFAULTS = ProxyOptions()

_INGRESS_NGINX: Final = "ingress-nginx"
"""A value of --compatibility."""

_OPTIONS = (
    option(
        "--ingress-class",
        type=ClassName(),
        default=DEFAULT_CLASSES.name,
        metavar="NAME",
        help="The IngressClass to serve. If set, IngressClasses of other names belong to other installations.",
    ),
    option(
        "--controller-name",
        type=ControllerName(),
        multiple=True,
        default=DEFAULT_CLASSES.controllers,
        help="The spec.controller of IngressClasses to serve. Repeatable.",
    ),
    option(
        "--watch-ingress-without-class",
        is_flag=True,
        help="Serve Ingresses without a class, whatever the default IngressClass is.",
    ),
    option(
        "--disable-catch-all",
        is_flag=True,
        help="Leave out Ingresses with a default backend and without rules.",
    ),
    option(
        "--default-backend",
        type=ObjectName(),
        help="The Service whose first port answers where no Ingress does. Without: 404.",
    ),
    option(
        "--host-ownership",
        type=click.Choice([str(each) for each in HostOwnership]),
        default=str(HostOwnership.SHARED),
        help="Whose Ingresses count for a host: those of all namespaces, or of the namespace of its oldest Ingress.",
    ),
    option("--http-port", type=PORT, default=_DEFAULTS.http_port, help="The port of Envoy's plain listener."),
    option("--https-port", type=PORT, default=_DEFAULTS.https_port, help="The port of Envoy's TLS listener."),
    option(
        "--listener-address",
        type=IpAddress(),
        default=_DEFAULTS.listener_address,
        help="The address that Envoy's listeners bind.",
    ),
    option("--allow-external-name", is_flag=True, help="Route to Services of type ExternalName."),
    option(
        "--allow-cross-namespace-resources",
        is_flag=True,
        help="Let annotations name Secrets and ConfigMaps of other namespaces, and canaries share paths of other "
        "namespaces.",
    ),
    option(
        "--ignore-annotation",
        multiple=True,
        metavar="NAME",
        help="An annotation of ingress-nginx, without its prefix, that counts as absent. If the annotation protects, "
        "its paths are open then. Repeatable.",
    ),
    option(
        "--compatibility",
        type=click.Choice([_INGRESS_NGINX]),
        help="Take the defaults of ingress-nginx where an Ingress has no annotation.",
    ),
    option(
        "--nginx-configmap",
        type=ObjectName(),
        help="The ConfigMap of ingress-nginx. Its keys are defaults of annotations, and settings of Envoy's listeners.",
    ),
    option(
        "--max-regex-size",
        type=Number(min=1, max=1_000_000),
        default=DEFAULT_MAX_REGEX_SIZE,
        help="The largest regular expression of a path, in steps of the compiled program. Raise to 10000 once all "
        "proxies have a bootstrap configuration of this version.",
    ),
    option("--redirect-https", is_flag=True, help="Redirect plain requests for hosts with TLS to HTTPS."),
    option("--default-tls-secret", type=ObjectName(), help="The certificate for connections that no other one fits."),
    option(
        "--trusted-hops",
        type=Number(0, 100),
        default=_DEFAULTS.trusted_hops,
        help="The number of proxies in front that append to x-forwarded-for.",
    ),
    option("--proxy-protocol", is_flag=True, help="Expect a PROXY protocol header on every connection."),
    option(
        "--no-merge-slashes",
        is_flag=True,
        help="Compare and pass on paths with several slashes as they came, for backends with URLs in paths.",
    ),
    option(
        "--upstream-idle-timeout",
        type=Duration(),
        default="4s",
        help="The time without a request after which a connection to a backend is closed, such as 500ms or 2m.",
    ),
    option(
        "--public-http-port",
        type=PORT,
        default=_DEFAULTS.public_http_port,
        help="The port of plain HTTP that clients see, for x-forwarded-port.",
    ),
    option(
        "--public-https-port",
        type=PORT,
        default=_DEFAULTS.public_https_port,
        help="The port of HTTPS that clients see, for redirects and x-forwarded-port.",
    ),
    option(
        "--pass-upgrade",
        type=UpgradeName(),
        multiple=True,
        default=_DEFAULTS.upgrades,
        help="A protocol in Upgrade headers that is passed to backends. Repeatable. Other upgrades are ignored.",
    ),
    option("--replace-request-id", is_flag=True, help="Replace the x-request-id of clients."),
    option(
        "--server-header",
        type=ServerName(),
        default=_DEFAULTS.server_header,
        help="The Server header of responses that have none, or `off`.",
    ),
    option(
        "--https-min-version",
        type=click.Choice([str(each) for each in TlsVersion]),
        default=str(_DEFAULTS.tls_min_version),
        help="The oldest version of TLS that clients may speak.",
    ),
    option(
        "--https-cipher",
        type=click.Choice(TLS_1_2_CIPHERS),
        multiple=True,
        metavar="NAME",
        help="A cipher suite for TLS 1.2, the preferred first; those of TLS 1.3 are fixed. Repeatable.",
    ),
    option(
        "--access-log",
        type=click.Choice([str(each) for each in AccessLogFormat]),
        default=str(_DEFAULTS.access_log),
        help="The form of Envoy's access log on standard output: a line of JSON or of text for each request, and for "
        "each connection of layer 4, or none.",
    ),
    option(
        "--access-log-field",
        type=AccessLogField(),
        multiple=True,
        metavar="NAME",
        help="A field of the access log in JSON, or a header: request.NAME, response.NAME. Repeatable; without: all "
        "usual fields.",
    ),
    option(
        "--traffic-metrics/--no-traffic-metrics",
        default=_DEFAULTS.traffic_metrics,
        help="Whether Envoy counts requests, bytes and durations by Ingress, and connections of layer 4 by Service, "
        "among its own metrics.",
    ),
    option(
        "--otlp",
        type=Address(unix=False),
        metavar="HOST:PORT",
        help="The collector of traces, to which Envoy sends spans by OTLP over gRPC, in plain text.",
    ),
    option(
        "--trace-sampling",
        type=click.FloatRange(0, 100),
        default=100,
        metavar="PERCENT",
        help="The share of requests that are traced.",
    ),
    option(
        "--authz",
        type=Address(),
        metavar="HOST:PORT|unix:PATH",
        help="The address of `xds authz` beside each Envoy, which checks passwords. Without: Envoy, which knows {SHA} "
        "only, and paths with other hashes are closed.",
    ),
    option("--no-vhds", is_flag=True, help="Send virtual hosts inside RouteConfigurations, to every proxy."),
)


def traffic_options(command: F) -> F:
    """Adds the flags, for `class_options`, `translate_options` and `proxy_options`."""
    for decorate in reversed((*_OPTIONS, *LAYER4_OPTIONS, *GATEWAY_OPTIONS)):
        command = decorate(command)
    return command


def class_options(flags: dict[str, Any]) -> ClassOptions:
    """The IngressClasses to serve. A name from a flag or the environment excludes all other names."""
    source = click.get_current_context().get_parameter_source("ingress_class")
    return ClassOptions(
        name=flags["ingress_class"],
        is_exclusive=source is not ParameterSource.DEFAULT,
        controllers=flags["controller_name"] or DEFAULT_CLASSES.controllers,
        takes_classless=flags["watch_ingress_without_class"],
        skips_catch_all=flags["disable_catch_all"],
    )


def translate_options(flags: dict[str, Any]) -> TranslateOptions:
    layer4 = layer4_options(flags)
    return TranslateOptions(
        allow_external_name=flags["allow_external_name"],
        default_tls_secret=flags["default_tls_secret"],
        ignored_annotations=frozenset(name.removeprefix(PREFIX) for name in flags["ignore_annotation"]),
        is_compatible=flags["compatibility"] == _INGRESS_NGINX,
        nginx_configmap=flags["nginx_configmap"],
        default_service=flags["default_backend"],
        max_regex_size=flags["max_regex_size"],
        has_tracer=flags["otlp"] is not None,
        has_authz=flags["authz"] is not None,
        allow_cross_namespace=flags["allow_cross_namespace_resources"],
        host_ownership=HostOwnership(flags["host_ownership"]),
        passes_tls=flags["enable_ssl_passthrough"],
        layer4=beside_gateways(layer4, flags["gateway_services"]),
        gateway=gateway_options(flags, layer4),
    )


def proxy_options(flags: dict[str, Any]) -> ProxyOptions:
    if flags["http_port"] == flags["https_port"]:
        raise click.UsageError("--http-port and --https-port can't be the same")
    if flags["access_log_field"] and flags["access_log"] != AccessLogFormat.JSON:
        raise click.UsageError("--access-log-field needs --access-log json")
    return ProxyOptions(
        listener_address=flags["listener_address"],
        http_port=flags["http_port"],
        https_port=flags["https_port"],
        redirect_https=flags["redirect_https"],
        trusted_hops=flags["trusted_hops"],
        proxy_protocol=flags["proxy_protocol"],
        public_http_port=flags["public_http_port"],
        public_https_port=flags["public_https_port"],
        upgrades=tuple(flags["pass_upgrade"]),
        replace_request_id=flags["replace_request_id"],
        server_header=flags["server_header"],
        tls_min_version=TlsVersion(flags["https_min_version"]),
        tls_ciphers=tuple(flags["https_cipher"]),
        vhds=not flags["no_vhds"],
        merge_slashes=not flags["no_merge_slashes"],
        upstream=UpstreamOptions(idle_timeout=flags["upstream_idle_timeout"]),
        access_log=AccessLogFormat(flags["access_log"]),
        access_log_fields=tuple(flags["access_log_field"]),
        traffic_metrics=flags["traffic_metrics"],
        tracing=TracingOptions(flags["otlp"], flags["trace_sampling"]) if flags["otlp"] else None,
        authz=flags["authz"],
        passes_tls=flags["enable_ssl_passthrough"],
    )
