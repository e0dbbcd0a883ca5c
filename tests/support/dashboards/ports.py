"""Rows about ports of TCP and UDP, and about TLS passthrough: by port, and by Service."""

from typing import Final

from tests.support.dashboards.model import Panel, Query, Row

_IN = 'namespace=~"$installation"'
_OF = f'{_IN}, service=~"$ingress_namespace/.+"'

PORTS: Final = Row(
    "Do TCP and UDP ports carry traffic?",
    [
        Panel(
            "Open TCP connections",
            "By port. They end with their client or backend; a replaced Envoy waits for them in its grace period.",
            [
                Query(
                    f"sum by (envoy_listener_address) (envoy_listener_downstream_cx_active{{{_IN}, "
                    'envoy_listener_address=~"tcp_.+"})',
                    "{{envoy_listener_address}}",
                )
            ],
        ),
        Panel(
            "New TCP connections",
            "By port; `passthrough` is TLS passthrough. Many with few open: clients without a pool of connections.",
            [
                Query(
                    f"sum by (envoy_tcp_prefix) (rate(envoy_tcp_downstream_cx_total{{{_IN}}}[$__rate_interval]))",
                    "{{envoy_tcp_prefix}}",
                )
            ],
            unit="cps",
        ),
        Panel(
            "UDP sessions",
            "By port: clients with a datagram within the idle timeout.",
            [
                Query(
                    f"sum by (envoy_udp_prefix) (envoy_udp_downstream_sess_active{{{_IN}}})",
                    "{{envoy_udp_prefix}}",
                )
            ],
        ),
        Panel(
            "Turned away",
            "Clients of TCP whose connection reached no endpoint, and datagrams that Envoy was too late for.",
            [
                Query(
                    "sum by (envoy_cluster_name) (rate(envoy_cluster_upstream_cx_connect_attempts_exceeded"
                    f"{{{_IN}}}[$__rate_interval])) > 0 or vector(0)",
                    "connections: {{envoy_cluster_name}}",
                ),
                Query(
                    "sum by (envoy_listener_address) (rate(envoy_listener_udp_downstream_rx_datagram_dropped"
                    f"{{{_IN}}}[$__rate_interval]))",
                    "datagrams: {{envoy_listener_address}}",
                ),
            ],
            unit="cps",
            runbooks=["xds-tcp-connections-failing", "xds-datagrams-dropped"],
        ),
    ],
)

SERVICES: Final = Row(
    "What goes through TCP and UDP ports, and TLS passthrough?",
    [
        Panel(
            "Connections that ended",
            "Connections and sessions by Service: https is TLS passthrough, the others are ports.",
            [
                Query(
                    "topk(20, sum by (listener, service)"
                    f" (rate(envoy_ingress_layer4_connections{{{_OF}}}[$__rate_interval])))",
                    "{{service}} ({{listener}})",
                )
            ],
            unit="cps",
        ),
        Panel(
            "Connections that Envoy ended",
            "By Envoy's flags: UH no endpoint, UF no endpoint takes connections, UO too many of them, SI idle.",
            [
                Query(
                    "topk(20, sum by (service, flags)"
                    f' (rate(envoy_ingress_layer4_connections{{{_OF}, flags!="-"}}[$__rate_interval])))',
                    "{{service}} {{flags}}",
                )
            ],
            unit="cps",
            runbooks=["xds-no-healthy-upstream", "xds-tcp-connections-failing"],
        ),
        Panel(
            "Bytes of these connections",
            "From clients and to clients, counted at the end of a connection.",
            [
                Query(f"sum(rate(envoy_ingress_layer4_received_bytes{{{_OF}}}[$__rate_interval]))", "received"),
                Query(f"sum(rate(envoy_ingress_layer4_sent_bytes{{{_OF}}}[$__rate_interval]))", "sent"),
            ],
            unit="Bps",
        ),
    ],
)
