"""The dashboard of the traffic: requests of each Ingress, as Envoy answered them."""

from typing import Final

from tests.support.dashboards.backends import BACKENDS
from tests.support.dashboards.model import (
    CRITICAL,
    INSTALLATION,
    NEUTRAL,
    OK,
    WARNING,
    Dashboard,
    Panel,
    Query,
    Row,
    Variable,
)
from tests.support.dashboards.ports import SERVICES

_OF = 'namespace=~"$installation", ingress_namespace=~"$ingress_namespace", ingress=~"$ingress"'
_NAMED = f'{_OF}, ingress!=""'
_REQUESTS = f"rate(envoy_ingress_requests{{{_OF}}}[$__rate_interval])"
_FAILED = f'rate(envoy_ingress_requests{{{_OF}, code_class="5xx"}}[$__rate_interval])'
_BUCKETS = f"rate(envoy_ingress_request_duration_milliseconds_bucket{{{_OF}}}[$__rate_interval])"
_DAYS = 24 * 3600


def _quantile(part: float, by: str = "") -> str:
    labels = ", ".join(filter(None, ("le", by)))
    return f"histogram_quantile({part}, sum by ({labels}) ({_BUCKETS}))"


_NOW: Final = Row(
    "Are the chosen Ingresses all right?",
    [
        Panel(
            "Requests",
            "Requests a second that Envoy answered.",
            [Query(f"sum({_REQUESTS})", "requests")],
            unit="reqps",
            kind="stat",
            base=NEUTRAL,
        ),
        Panel(
            "Error ratio",
            "Part of the requests that got a 5xx, from a backend or from Envoy itself.",
            [Query(f"(sum({_FAILED}) or vector(0)) / sum({_REQUESTS})", "5xx")],
            unit="percentunit",
            kind="stat",
            thresholds=[(0.001, WARNING), (0.0144, CRITICAL)],
            runbooks=["xds-ingress-errors-fast-burn"],
        ),
        Panel(
            "p50",
            "Half of the requests ended within this time, from a request's first byte to the last of the answer.",
            [Query(_quantile(0.5), "p50")],
            unit="ms",
            kind="stat",
            base=NEUTRAL,
        ),
        Panel(
            "p99",
            "One request in a hundred took longer. Long downloads and WebSockets count as long requests.",
            [Query(_quantile(0.99), "p99")],
            unit="ms",
            kind="stat",
            thresholds=[(1000, WARNING), (5000, CRITICAL)],
            runbooks=["xds-ingress-latency-fast-burn"],
        ),
        Panel(
            "Answered by Envoy itself",
            "Part of the requests that were meant for no Service: redirects, fixed answers, denied clients, 404.",
            [
                Query(
                    f'(sum(rate(envoy_ingress_requests{{{_OF}, service=""}}[$__rate_interval])) or vector(0))'
                    f" / sum({_REQUESTS})",
                    "by Envoy",
                )
            ],
            unit="percentunit",
            kind="stat",
            base=NEUTRAL,
        ),
        Panel(
            "First certificate to end",
            "Of the chosen namespaces. Below 14 days: its issuer failed to renew.",
            [
                Query(
                    'min(xds_ingress_certificate_not_after_timestamp_seconds{namespace=~"$installation",'
                    ' secret_namespace=~"$ingress_namespace"}) - time()',
                    "time left",
                )
            ],
            unit="s",
            kind="stat",
            base=CRITICAL,
            thresholds=[(3 * _DAYS, WARNING), (14 * _DAYS, OK)],
            minimum=None,
            runbooks=["xds-served-certificate-expires-soon"],
        ),
    ],
    height=4,
)

_ANSWERS: Final = Row(
    "What do clients get?",
    [
        Panel(
            "Requests by class of the answer",
            "0xx: the client left before an answer. 5xx that begin at one moment: compare with rollouts and alerts.",
            [Query(f"sum by (code_class) ({_REQUESTS})", "{{code_class}}")],
            unit="reqps",
            stacked=True,
            runbooks=["xds-ingress-errors-fast-burn"],
        ),
        Panel(
            "Error ratio by Ingress",
            "Part of the requests that got a 5xx. `xds explain URL` says which Service and endpoints answer.",
            [Query(f"topk(10, sum by (ingress) ({_FAILED}) / sum by (ingress) ({_REQUESTS}))", "{{ingress}}")],
            unit="percentunit",
            thresholds=[(0.0144, WARNING)],
            runbooks=["xds-ingress-errors-fast-burn"],
        ),
        Panel(
            "Requests by Service",
            "Meant for a Service, even one that is gone. A share moved without a deployment: a canary, or endpoints.",
            [
                Query(
                    f"label_replace(topk(10, sum by (service) ({_REQUESTS})),"
                    ' "service", "Envoy itself", "service", "")',
                    "{{service}}",
                )
            ],
            unit="reqps",
        ),
    ],
)

_TIME: Final = Row(
    "How long do clients wait?",
    [
        Panel(
            "Quantiles",
            "The whole request as Envoy saw it, retries and uploads included. Only p99.9 up: single slow endpoints.",
            [
                Query(_quantile(part), name)
                for part, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"), (0.999, "p99.9"))
            ],
            unit="ms",
            thresholds=[(1000, WARNING)],
            runbooks=["xds-ingress-latency-fast-burn"],
        ),
        Panel(
            "Durations",
            "Two bands: two kinds of requests, or two kinds of endpoints.",
            [
                Query(
                    f"sum by (le) (increase(envoy_ingress_request_duration_milliseconds_bucket{{{_OF}}}"
                    "[$__rate_interval]))",
                    "{{le}}",
                )
            ],
            unit="ms",
            kind="heatmap",
            minimum=None,
        ),
        Panel(
            "p99 by Ingress",
            "The ten slowest. Which backend is slow: the access log has the endpoint of every request.",
            [Query(f"topk(10, {_quantile(0.99, 'ingress')} >= 0)", "{{ingress}}")],
            unit="ms",
            thresholds=[(1000, WARNING)],
            runbooks=["xds-ingress-latency-fast-burn"],
        ),
    ],
)

_TOP: Final = Row(
    "Which Ingresses are worst?",
    [
        Panel(
            "Most errors",
            "5xx a second.",
            [Query(f"topk(10, sum by (ingress) ({_FAILED}))", "{{ingress}}")],
            unit="reqps",
            kind="bargauge",
            thresholds=[(0.1, WARNING), (1, CRITICAL)],
        ),
        Panel(
            "Slowest",
            "p99 of the chosen time.",
            [Query(f"topk(10, {_quantile(0.99, 'ingress')} >= 0)", "{{ingress}}")],
            unit="ms",
            kind="bargauge",
            thresholds=[(1000, WARNING), (5000, CRITICAL)],
        ),
        Panel(
            "Most requests",
            "Who is busy, and who is asked for nothing any more.",
            [
                Query(
                    f"topk(10, sum by (ingress) (rate(envoy_ingress_requests{{{_NAMED}}}[$__rate_interval])))",
                    "{{ingress}}",
                )
            ],
            unit="reqps",
            kind="bargauge",
            base=NEUTRAL,
        ),
        Panel(
            "Most bytes to clients",
            "Downloads, streams, and images that nobody caches.",
            [
                Query(
                    f"topk(10, sum by (ingress) (rate(envoy_ingress_response_bytes{{{_NAMED}}}[$__rate_interval])))",
                    "{{ingress}}",
                )
            ],
            unit="Bps",
            kind="bargauge",
            base=NEUTRAL,
        ),
    ],
)

_BYTES: Final = Row(
    "What does Envoy answer by itself, and how much goes over the wire?",
    [
        Panel(
            "Envoy's own answers by Ingress",
            "3xx: redirects; 4xx: denied clients; 5xx: paths closed for a problem (`xds why ingress` names it).",
            [
                Query(
                    "topk(10, sum by (ingress, code_class)"
                    f' (rate(envoy_ingress_requests{{{_NAMED}, service=""}}[$__rate_interval])))',
                    "{{ingress}} {{code_class}}",
                )
            ],
            unit="reqps",
            runbooks=["xds-no-healthy-upstream"],
        ),
        Panel(
            "Requests that no Ingress answers",
            "Unknown hosts and paths: scanners, an Ingress that somebody deleted, or DNS that points here too early.",
            [
                Query(
                    'sum by (code_class) (rate(envoy_ingress_requests{namespace=~"$installation", ingress=""}'
                    "[$__rate_interval]))",
                    "{{code_class}}",
                )
            ],
            unit="reqps",
        ),
        Panel(
            "Bytes",
            "Bodies and headers, of clients and to clients.",
            [
                Query(f"sum(rate(envoy_ingress_request_bytes{{{_OF}}}[$__rate_interval]))", "received"),
                Query(f"sum(rate(envoy_ingress_response_bytes{{{_OF}}}[$__rate_interval]))", "sent"),
            ],
            unit="Bps",
        ),
        Panel(
            "Certificates",
            "Of the chosen namespaces, in time left.",
            [
                Query(
                    "sort(bottomk(20, min by (secret_namespace, secret)"
                    ' (xds_ingress_certificate_not_after_timestamp_seconds{namespace=~"$installation",'
                    ' secret_namespace=~"$ingress_namespace"})) - time())',
                    "Left",
                )
            ],
            unit="s",
            kind="table",
            base=CRITICAL,
            thresholds=[(3 * _DAYS, WARNING), (14 * _DAYS, OK)],
            columns={"secret_namespace": "Namespace", "secret": "Secret"},
            minimum=None,
            runbooks=["xds-served-certificate-expires-soon"],
        ),
    ],
)

DASHBOARD: Final = Dashboard(
    "ingresses",
    "xds-ingress / Ingresses",
    "Requests, errors, times and bytes of each Ingress, as Envoy answered; needs `xds serve --traffic-metrics`.",
    [_NOW, _ANSWERS, _TIME, _TOP, BACKENDS, SERVICES, _BYTES],
    variables=(
        INSTALLATION,
        Variable(
            "ingress_namespace",
            "Namespace",
            'label_values(envoy_ingress_requests{namespace=~"$installation"}, ingress_namespace)',
        ),
        Variable(
            "ingress",
            "Ingress",
            'label_values(envoy_ingress_requests{ingress_namespace=~"$ingress_namespace"}, ingress)',
        ),
    ),
)
