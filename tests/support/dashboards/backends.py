"""The row of the dashboard of Ingresses about the Services behind them, by Envoy's clusters."""

from typing import Final

from tests.support.dashboards.model import OK, WARNING, Panel, Query, Row

_OF = 'namespace=~"$installation", envoy_cluster_name=~"$ingress_namespace/.+"'


def _by_cluster(metric: str) -> str:
    return f"sum by (envoy_cluster_name) (rate({metric}{{{_OF}}}[$__rate_interval]))"


BACKENDS: Final = Row(
    "Is it the Services behind them?",
    [
        Panel(
            "p99 of the slowest Services",
            "To the end of a Service's answer. Far below the p99 of its Ingress: retries, or uploads of slow clients.",
            [
                Query(
                    "topk(10, histogram_quantile(0.99, sum by (envoy_cluster_name, le)"
                    f" (rate(envoy_cluster_upstream_rq_time_bucket{{{_OF}}}[$__rate_interval]))) >= 0)",
                    "{{envoy_cluster_name}}",
                )
            ],
            unit="ms",
        ),
        Panel(
            "Fewest healthy endpoints",
            "As the Envoy that sees fewest. 0: requests get a 503; look at the Service's Pods, and at health checks.",
            [
                Query(
                    f"bottomk(10, min by (envoy_cluster_name) (envoy_cluster_membership_healthy{{{_OF}}}))",
                    "{{envoy_cluster_name}}",
                )
            ],
            kind="bargauge",
            base=WARNING,
            thresholds=[(2, OK)],
            runbooks=["xds-no-healthy-upstream"],
        ),
        Panel(
            "Requests without an answer",
            "No endpoint, a connection that failed, or a time that passed. Retries hide some of them from clients.",
            [
                Query(f"sum({_by_cluster('envoy_cluster_upstream_cx_none_healthy')})", "no endpoint"),
                Query(f"sum({_by_cluster('envoy_cluster_upstream_cx_connect_fail')})", "connection failed"),
                Query(f"sum({_by_cluster('envoy_cluster_upstream_rq_timeout')})", "timeout"),
                Query(f"sum({_by_cluster('envoy_cluster_upstream_rq_retry')})", "retried"),
            ],
            unit="reqps",
            runbooks=["xds-no-healthy-upstream"],
        ),
        Panel(
            "Requests over the limit of a Service",
            "Answered 503 because too many wait: the Service is slow, or max-requests and max-connections are too low.",
            [Query(f"topk(10, {_by_cluster('envoy_cluster_upstream_rq_pending_overflow')})", "{{envoy_cluster_name}}")],
            unit="reqps",
            runbooks=["xds-circuit-breaker-open"],
        ),
    ],
)
