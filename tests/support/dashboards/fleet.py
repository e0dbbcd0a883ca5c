"""The dashboard of the Envoys: whether each has the served configuration, with its load and health."""

from typing import Final

from tests.support.dashboards.model import CRITICAL, NEUTRAL, OK, WARNING, Dashboard, Panel, Query, Row
from tests.support.dashboards.ports import PORTS

_IN = 'namespace=~"$installation"'
_HTTP = f'{_IN}, envoy_http_conn_manager_prefix=~"https?"'

_SYNC: Final = Row(
    "Does every proxy have what is served?",
    [
        Panel(
            "Connected",
            "Proxies with a stream to a replica. Fewer than you run: look at the Envoys that are missing below.",
            [Query(f"sum(xds_ingress_proxies_connected{{{_IN}}})", "connected")],
            kind="stat",
            base=CRITICAL,
            thresholds=[(1, OK)],
            runbooks=["xds-no-proxy-connected"],
        ),
        Panel(
            "Envoys scraped",
            "Envoys whose stats Prometheus reads. Other than `Connected`: an Envoy is cut off, or is not scraped.",
            [Query(f"count(envoy_server_live{{{_IN}}})", "scraped")],
            kind="stat",
            base=NEUTRAL,
            runbooks=["xds-envoy-down", "xds-fleet-down"],
        ),
        Panel(
            "In sync",
            "Part of the proxies that acknowledged everything, by the type that is worst.",
            [
                Query(
                    f"1 - max(sum by (type) (xds_ingress_proxies_behind{{{_IN}}}))"
                    f" / sum(xds_ingress_proxies_connected{{{_IN}}})",
                    "in sync",
                )
            ],
            unit="percentunit",
            kind="stat",
            base=CRITICAL,
            thresholds=[(0.9, WARNING), (1, OK)],
            runbooks=["xds-proxies-behind"],
        ),
        Panel(
            "Stuck",
            "Proxies that make no progress: they stay at an old configuration until they are restarted.",
            [Query(f"sum(xds_ingress_proxies_stuck{{{_IN}}})", "stuck")],
            kind="stat",
            thresholds=[(1, CRITICAL)],
            runbooks=["xds-proxies-stuck"],
        ),
        Panel(
            "Rejecting",
            "Proxies whose last answer was a NACK: `xds proxies` has Envoy's words, `xds problems` the Ingress behind.",
            [Query(f"max(sum by (type) (xds_ingress_proxies_rejecting{{{_IN}}}))", "rejecting")],
            kind="stat",
            thresholds=[(1, CRITICAL)],
            runbooks=["xds-proxies-rejecting"],
        ),
        Panel(
            "Cut off",
            "Envoys without a stream to the control plane: they serve on with the last configuration.",
            [Query(f"count(envoy_control_plane_connected_state{{{_IN}}} == 0) or vector(0)", "cut off")],
            kind="stat",
            thresholds=[(1, CRITICAL)],
            runbooks=["xds-envoy-not-connected"],
        ),
    ],
    height=4,
)

_PROXIES: Final = Row(
    "Which proxies are missing, behind or stuck, and since when?",
    [
        Panel(
            "Connected proxies by replica",
            "A step to 0 at one replica and up at another one is a failover. All at one replica: see docs/scaling.md.",
            [Query(f"xds_ingress_proxies_connected{{{_IN}}}", "{{pod}}")],
            stacked=True,
            runbooks=["xds-no-proxy-connected"],
        ),
        Panel(
            "Behind",
            "Proxies with something unacknowledged for more than 5 s. Peaks are normal while a proxy warms listeners.",
            [Query(f"sum by (type) (xds_ingress_proxies_behind{{{_IN}}})", "{{type}}")],
            thresholds=[(1, WARNING)],
            runbooks=["xds-proxies-behind"],
        ),
        Panel(
            "Stuck by reason",
            "silent: no answer; not_asked: no subscription; flapping: short streams; unsupported_version: too old.",
            [Query(f"sum by (reason) (xds_ingress_proxies_stuck{{{_IN}}})", "{{reason}}")],
            thresholds=[(1, CRITICAL)],
            runbooks=["xds-proxies-stuck"],
        ),
        Panel(
            "Rejecting by type",
            "Proxies whose last answer of a type was a NACK.",
            [Query(f"sum by (type) (xds_ingress_proxies_rejecting{{{_IN}}})", "{{type}}")],
            thresholds=[(1, WARNING)],
            runbooks=["xds-proxies-rejecting"],
        ),
    ],
)

_PUSHES: Final = Row(
    "What is pushed, and what do proxies answer?",
    [
        Panel(
            "Pushes",
            "Responses sent. Steady eds is rollouts; steady cds, lds or rds is somebody who edits Ingresses in a loop.",
            [Query(f"sum by (type) (rate(xds_ingress_pushes_total{{{_IN}}}[$__rate_interval]))", "{{type}}")],
            unit="cps",
        ),
        Panel(
            "ACKs and NACKs",
            "Each push has one answer: ACKs below the pushes mean that proxies are behind.",
            [
                Query(f"sum(rate(xds_ingress_acks_total{{{_IN}}}[$__rate_interval]))", "ACK"),
                Query(f"sum(rate(xds_ingress_nacks_total{{{_IN}}}[$__rate_interval]))", "NACK"),
            ],
            unit="cps",
            runbooks=["xds-proxies-rejecting"],
        ),
        Panel(
            "Bytes pushed",
            "The network load of configuration. Peaks: a new proxy gets all; many at once is a rollout of the fleet.",
            [Query(f"sum by (type) (rate(xds_ingress_push_bytes_total{{{_IN}}}[$__rate_interval]))", "{{type}}")],
            unit="Bps",
            stacked=True,
        ),
        Panel(
            "Refused and dropped streams",
            "Refused: streams that the control plane declined. Unread: the proxy read nothing for 10 s.",
            [
                Query(
                    f"sum by (reason) (increase(xds_ingress_proxies_refused_total{{{_IN}}}[$__rate_interval]))",
                    "refused: {{reason}}",
                ),
                Query(
                    f"sum(increase(xds_ingress_streams_ended_unread_total{{{_IN}}}[$__rate_interval]))", "ended unread"
                ),
            ],
            runbooks=["xds-proxies-refused"],
        ),
    ],
)

_CONVERGENCE: Final = Row(
    "How long until a change is everywhere?",
    [
        Panel(
            "From reading a change to the last answer",
            "Each column is the changes of a moment. A second band far up: one slow proxy that all others wait for.",
            [
                Query(
                    f"sum by (le) (increase(xds_ingress_convergence_seconds_bucket{{{_IN}}}[$__rate_interval]))",
                    "{{le}}",
                )
            ],
            unit="s",
            kind="heatmap",
            minimum=None,
            runbooks=["xds-propagation-slow"],
        ),
        Panel(
            "Convergence, quantiles",
            "Only p99 is above a second: one slow proxy. All: the control plane (see its event loop), or the network.",
            [
                Query(
                    f"histogram_quantile({part}, sum by (le) (rate(xds_ingress_convergence_seconds_bucket{{{_IN}}}"
                    "[$__rate_interval])))",
                    name,
                )
                for part, name in ((0.5, "p50"), (0.95, "p95"), (0.99, "p99"))
            ],
            unit="s",
            thresholds=[(1, WARNING), (5, CRITICAL)],
            runbooks=["xds-propagation-slow"],
        ),
    ],
)

_ENVOYS: Final = Row(
    "How do the Envoys do?",
    [
        Panel(
            "Memory",
            "Of the process. It grows with connections and configuration; from 85 % of --max-memory Envoy sheds load.",
            [Query(f"envoy_server_memory_physical_size{{{_IN}}}", "{{pod}}")],
            unit="bytes",
            runbooks=["xds-envoy-memory"],
        ),
        Panel(
            "Open connections",
            "Of clients. One Envoy with far more than others: the load balancer in front.",
            [Query(f"sum by (pod) (envoy_http_downstream_cx_active{{{_HTTP}}})", "{{pod}}")],
        ),
        Panel(
            "Requests",
            "Of clients, all Ingresses together.",
            [Query(f"sum by (pod) (rate(envoy_http_downstream_rq_total{{{_HTTP}}}[$__rate_interval]))", "{{pod}}")],
            unit="reqps",
        ),
        Panel(
            "Requests in progress",
            "Growth at a steady rate of requests: backends became slow.",
            [Query(f"sum by (pod) (envoy_http_downstream_rq_active{{{_HTTP}}})", "{{pod}}")],
        ),
    ],
)

_REFUSALS: Final = Row(
    "Do Envoys turn clients away?",
    [
        Panel(
            "Failed TLS handshakes",
            "Clients without TLS that Envoy knows. Few are scanners; a jump is a certificate, or a new kind of client.",
            [
                Query(
                    f"sum by (pod) (rate(envoy_listener_ssl_connection_error{{{_IN}}}[$__rate_interval]))",
                    "{{pod}}: no handshake",
                ),
                Query(
                    f"sum by (pod) (rate(envoy_listener_ssl_fail_verify_error{{{_IN}}}[$__rate_interval])"
                    f" + rate(envoy_listener_ssl_fail_verify_no_cert{{{_IN}}}[$__rate_interval]))",
                    "{{pod}}: client certificate",
                ),
            ],
            unit="cps",
        ),
        Panel(
            "Memory used of --max-memory",
            "From 0.85 Envoy resets the largest streams, from 0.9 it closes connections, from 0.95 it answers 503.",
            [
                Query(
                    f"max by (pod) (envoy_overload_envoy_resource_monitors_fixed_heap_pressure{{{_IN}}}) / 100",
                    "{{pod}}",
                )
            ],
            unit="percentunit",
            maximum=1,
            thresholds=[(0.85, WARNING), (0.95, CRITICAL)],
            runbooks=["xds-envoy-memory"],
        ),
        Panel(
            "Closed for lack of room",
            "Connections above the limit of the bootstrap, and requests shed for lack of memory.",
            [
                Query(
                    f"sum by (pod) (rate(envoy_listener_downstream_global_cx_overflow{{{_IN}}}[$__rate_interval]))",
                    "{{pod}}: connections",
                ),
                Query(
                    f"sum by (pod) (rate(envoy_http_downstream_rq_overload_close{{{_HTTP}}}[$__rate_interval]))",
                    "{{pod}}: requests",
                ),
            ],
            unit="cps",
            runbooks=["xds-envoy-memory"],
        ),
        Panel(
            "Late threads",
            "Envoy's watchdog: a thread did nothing for a second. CPU is missing, or a filter blocks.",
            [
                Query(
                    f"sum by (pod) (increase(envoy_server_main_thread_watchdog_mega_miss{{{_IN}}}[$__rate_interval]))",
                    "{{pod}}",
                )
            ],
            thresholds=[(1, WARNING)],
        ),
    ],
)

_VERSIONS: Final = Row(
    "Which versions run, and since when?",
    [
        Panel(
            "Control plane",
            "More than one version outside of a rollout: a rollout is stuck.",
            [Query(f"xds_ingress_build_info{{{_IN}}}", "Replicas")],
            kind="table",
            base=NEUTRAL,
            columns={"pod": "Pod", "version": "Version", "python_version": "Python", "grpc_version": "gRPC"},
        ),
        Panel(
            "Envoys by build",
            "The first digits of `envoy --version`. Two builds outside of a rollout: it is stuck.",
            [Query(f"envoy_server_version{{{_IN}}}", "Build")],
            unit="hex",
            kind="table",
            base=NEUTRAL,
            columns={"pod": "Pod"},
        ),
        Panel(
            "Time since the start of each Envoy",
            "A short bar is a restart: `kubectl -n xds-ingress describe pod` has the reason.",
            [Query(f"envoy_server_uptime{{{_IN}}}", "{{pod}}")],
            unit="s",
            kind="bargauge",
            base=NEUTRAL,
            runbooks=["xds-envoy-down"],
        ),
    ],
)

DASHBOARD: Final = Dashboard(
    "fleet",
    "xds-ingress / Fleet",
    "Whether every Envoy has what the control plane serves, how fast changes arrive, and how the Envoys do.",
    [_SYNC, _PROXIES, _PUSHES, _CONVERGENCE, _ENVOYS, _REFUSALS, PORTS, _VERSIONS],
)
