"""The dashboard of the control plane: source, replicas, work, and problems of objects."""

from typing import Final

from tests.support.dashboards.model import CRITICAL, NEUTRAL, OK, WARNING, Dashboard, Panel, Query, Row

_IN = 'namespace=~"$installation"'
_DAYS = 24 * 3600


def _quantiles(metric: str) -> list[Query]:
    return [
        Query(f"histogram_quantile({part}, sum by (le) (rate({metric}_bucket{{{_IN}}}[$__rate_interval])))", name)
        for part, name in ((0.5, "p50"), (0.99, "p99"), (0.999, "p99.9"))
    ]


_NOW: Final = Row(
    "Is it all right?",
    [
        Panel(
            "Replicas",
            "Replicas that answer Prometheus. 0: nothing is pushed; the fleet serves on with the last configuration.",
            [Query(f"count(xds_ingress_build_info{{{_IN}}}) or vector(0)", "replicas")],
            kind="stat",
            base=CRITICAL,
            thresholds=[(1, OK)],
            runbooks=["xds-control-plane-down", "xds-control-plane-replica-down"],
        ),
        Panel(
            "Leaders",
            "1, or 0 without --report. Else 0: nobody writes statuses; 2 for longer than a minute: look at the clocks.",
            [Query(f"sum(xds_ingress_leader{{{_IN}}})", "leaders")],
            kind="stat",
            base=NEUTRAL,
            thresholds=[(1, OK), (2, WARNING)],
            runbooks=["xds-no-leader", "xds-two-leaders"],
        ),
        Panel(
            "Source",
            "Whether every replica sees the objects as they are. Old: edits of Ingresses and endpoints don't arrive.",
            [Query(f"min(xds_ingress_source_up{{{_IN}}})", "source")],
            kind="stat",
            base=CRITICAL,
            thresholds=[(1, OK)],
            words={"0": "old", "1": "current"},
            runbooks=["xds-source-unreachable"],
        ),
        Panel(
            "Errors",
            "Parts of objects that are not served as written. `xds problems` lists each with its remedy.",
            [Query(f'max(sum by (pod) (xds_ingress_problems{{{_IN}, level="error"}}))', "errors")],
            kind="stat",
            thresholds=[(1, WARNING)],
        ),
        Panel(
            "Replicas disagree",
            "Types with different versions at different replicas. More than a moment: a replica's source is old.",
            [
                Query(
                    "count(count by (namespace, type) (count by (namespace, type, version)"
                    f" (xds_ingress_snapshot_info{{{_IN}}})) > 1) or vector(0)",
                    "types",
                )
            ],
            kind="stat",
            thresholds=[(1, WARNING)],
            runbooks=["xds-replicas-disagree"],
        ),
        Panel(
            "First certificate to end",
            "Of all that are served. Below 14 days: its issuer failed to renew; the table below names the Secret.",
            [Query(f"min(xds_ingress_certificate_not_after_timestamp_seconds{{{_IN}}}) - time()", "time left")],
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

_SOURCE: Final = Row(
    "Do changes of objects arrive?",
    [
        Panel(
            "Source by replica",
            "Red: the replica can't reach the API server, or can't read its folder.",
            [Query(f"xds_ingress_source_up{{{_IN}}}", "{{pod}}")],
            kind="state-timeline",
            base=CRITICAL,
            thresholds=[(1, OK)],
            words={"0": "old", "1": "current"},
            runbooks=["xds-source-unreachable"],
        ),
        Panel(
            "Watches by kind",
            "Red: changes of this kind don't arrive at a replica, often for lack of a right (its ClusterRole).",
            [Query(f"min by (kind) (xds_ingress_watch_up{{{_IN}}})", "{{kind}}")],
            kind="state-timeline",
            base=CRITICAL,
            thresholds=[(1, OK)],
            words={"0": "down", "1": "up"},
            runbooks=["xds-watch-behind"],
        ),
        Panel(
            "Lists done anew",
            "A watch that can't go on lists all objects. Some an hour are normal, many are load on the API server.",
            [
                Query(
                    f"sum by (kind) (increase(xds_ingress_watch_relists_total{{{_IN}}}[$__rate_interval]))", "{{kind}}"
                )
            ],
            runbooks=["xds-relist-storm"],
        ),
        Panel(
            "Objects",
            "Known objects by kind. A fall to 0 is an API server that lost them, or a selector that changed.",
            [Query(f"max by (kind) (xds_ingress_objects{{{_IN}}})", "{{kind}}")],
        ),
    ],
)

_SNAPSHOT: Final = Row(
    "What is served, since when, and do replicas agree?",
    [
        Panel(
            "Age of the revision",
            "Time since the last change that was served. It only rises while people edit Ingresses: the source is old.",
            [Query(f"time() - xds_ingress_snapshot_committed_timestamp_seconds{{{_IN}}}", "{{pod}}")],
            unit="s",
            runbooks=["xds-source-unreachable"],
        ),
        Panel(
            "Versions by type",
            "Replicas that serve the same have one version of each type. Two for long: compare `xds snapshot show`.",
            [Query(f"count by (namespace, type, version) (xds_ingress_snapshot_info{{{_IN}}})", "Replicas")],
            kind="table",
            base=NEUTRAL,
            columns={"namespace": "Installation", "type": "Type", "version": "Version"},
            runbooks=["xds-replicas-disagree"],
        ),
        Panel(
            "Resources",
            "Envoy's configuration by type: each Envoy holds all of it.",
            [Query(f"max by (type) (xds_ingress_resources{{{_IN}}})", "{{type}}")],
        ),
        Panel(
            "Ingresses by state",
            "not_served: nothing of the Ingress is answered as written. `xds ingresses` names them.",
            [
                Query(f"max by (state) (xds_ingress_ingresses{{{_IN}}})", "{{state}}"),
                Query(f"max(xds_ingress_withdrawals_held{{{_IN}}})", "held although the class turned"),
            ],
            runbooks=["xds-withdrawal-held"],
        ),
    ],
)

_PROBLEMS: Final = Row(
    "What is wrong with the objects?",
    [
        Panel(
            "Problems by level",
            "An error leaves something out, a warning is served all the same. A jump comes with an edit or an upgrade.",
            [Query(f"max by (level) (sum by (pod, level) (xds_ingress_problems{{{_IN}}}))", "{{level}}")],
        ),
        Panel(
            "Problems by reason",
            "docs/problems.md says what each reason means and what to do; `xds problems` names the objects.",
            [Query(f"sort_desc(max by (reason, level) (xds_ingress_problems{{{_IN}}}) > 0)", "Objects")],
            kind="table",
            columns={"reason": "Reason", "level": "Level"},
        ),
        Panel(
            "Certificates that end first",
            "Of all that are served, in time left. A certificate that ended is served on, and browsers warn.",
            [
                Query(
                    "sort(bottomk(20, min by (secret_namespace, secret)"
                    f" (xds_ingress_certificate_not_after_timestamp_seconds{{{_IN}}})) - time())",
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
        Panel(
            "Own certificates",
            "Of the streams between control plane and Envoys. After the end no Envoy connects any more.",
            [
                Query(
                    f"min by (use) (xds_ingress_tls_certificate_not_after_timestamp_seconds{{{_IN}}}) - time()",
                    "{{use}}",
                )
            ],
            unit="s",
            kind="bargauge",
            base=CRITICAL,
            thresholds=[(3 * _DAYS, WARNING), (14 * _DAYS, OK)],
            runbooks=["xds-own-certificate-expires-soon"],
        ),
    ],
)

_WRITES: Final = Row(
    "Who leads, and do writes to the API server succeed?",
    [
        Panel(
            "Leader",
            "Green: this replica writes statuses and Events. Many changes: the Lease is not renewed in time.",
            [Query(f"xds_ingress_leader{{{_IN}}}", "{{pod}}")],
            kind="state-timeline",
            base=NEUTRAL,
            thresholds=[(1, OK)],
            words={"0": "follows", "1": "leads"},
            runbooks=["xds-no-leader"],
        ),
        Panel(
            "Writes of statuses and Events",
            "Not written: rejected, or without an answer, and tried again. Steady: rights, or a webhook that denies.",
            [
                Query(f'sum(rate({metric}{{{_IN}, outcome{sign}"written"}}[$__rate_interval]))', f"{name}{word}")
                for metric, name in (
                    ("xds_ingress_status_writes_total", "status"),
                    ("xds_ingress_events_total", "Event"),
                    ("xds_ingress_lease_writes_total", "Lease"),
                )
                for sign, word in (("=", ""), ("!=", " not written"))
            ],
            unit="cps",
            runbooks=["xds-writes-failing"],
        ),
        Panel(
            "Writes that fail now",
            "Objects whose last write failed. Their status in `kubectl get ingress` is old.",
            [Query(f"sum by (target) (xds_ingress_writes_failing{{{_IN}}})", "{{target}}")],
            thresholds=[(1, WARNING)],
            runbooks=["xds-writes-failing"],
        ),
        Panel(
            "Failed handshakes with clients",
            "TLS of the port for Envoys and `xds`: an expired certificate, another CA, or a scanner.",
            [
                Query(
                    f"sum by (cause) (increase(xds_ingress_tls_handshakes_failed_total{{{_IN}}}[$__rate_interval]))",
                    "{{cause}}",
                )
            ],
            thresholds=[(1, WARNING)],
            runbooks=["xds-handshakes-failing"],
        ),
    ],
)

_WORK: Final = Row(
    "Is the work slow?",
    [
        Panel(
            "Routing",
            "Translation of Ingresses and building of Envoy's messages. Endpoints don't wait for it.",
            _quantiles("xds_ingress_routing_seconds"),
            unit="s",
        ),
        Panel(
            "Event loop's delay",
            "Late: every stream waits. CPU is missing (a limit?), or one piece of work is too large.",
            _quantiles("xds_ingress_event_loop_delay_seconds"),
            unit="s",
            thresholds=[(0.1, WARNING), (0.5, CRITICAL)],
            runbooks=["xds-event-loop-late"],
        ),
        Panel(
            "Log lines dropped",
            "Lines that standard error did not take in time. The log has gaps; the work goes on.",
            [
                Query(
                    f"sum by (pod) (increase(xds_ingress_log_lines_dropped_total{{{_IN}}}[$__rate_interval]))",
                    "{{pod}}",
                )
            ],
            thresholds=[(1, WARNING)],
            runbooks=["xds-log-lines-dropped"],
        ),
    ],
)

_PROCESS: Final = Row(
    "Does the process have what it needs?",
    [
        Panel(
            "Memory",
            "Grows with objects and streams (docs/scaling.md has figures). If nothing else grows: `xds collect`.",
            [Query(f"xds_ingress_process_resident_memory_bytes{{{_IN}}}", "{{pod}}")],
            unit="bytes",
            runbooks=["xds-control-plane-memory"],
        ),
        Panel(
            "CPU",
            "In cores. One core is the most that the event loop can use.",
            [Query(f"rate(xds_ingress_process_cpu_seconds_total{{{_IN}}}[$__rate_interval])", "{{pod}}")],
        ),
        Panel(
            "Full garbage collections",
            "Each looks at every object, and delays the event loop meanwhile.",
            [
                Query(
                    f'rate(xds_ingress_gc_collections_total{{{_IN}, generation="2"}}[$__rate_interval])',
                    "{{pod}}",
                )
            ],
            unit="cps",
        ),
        Panel(
            "File descriptors",
            "Part of the limit. At 1 no Envoy can connect.",
            [
                Query(
                    f"xds_ingress_process_open_fds{{{_IN}}} / xds_ingress_process_max_fds{{{_IN}}}",
                    "{{pod}}",
                )
            ],
            unit="percentunit",
            thresholds=[(0.8, WARNING)],
        ),
    ],
)

DASHBOARD: Final = Dashboard(
    "control-plane",
    "xds-ingress / Control plane",
    "Whether the control plane sees the objects as they are, whether replicas agree, and problems of objects.",
    [_NOW, _SOURCE, _SNAPSHOT, _PROBLEMS, _WRITES, _WORK, _PROCESS],
)
