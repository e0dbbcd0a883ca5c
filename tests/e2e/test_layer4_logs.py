"""The access log and the metrics of TCP and UDP ports of a real Envoy: forms of a line, and figures by Service.

Excludes: the fields of a line in JSON (test_layer4_listeners.py), the log of requests (test_logs_and_traces.py).
"""

import asyncio
import re
from pathlib import Path
from typing import Final

import pytest

from tests.support.envoy import needs_envoy
from tests.support.layer4_site import layer4_site, port_of, raw_backend
from tests.support.raw_backends import TcpClient, UdpClient, tcp_backend, udp_backend
from tests.support.waiting import until
from xds.resources.options import AccessLogFormat, ProxyOptions
from xds.traffic.layer4 import Transport
from xds.traffic.listeners import AccessLogPolicy, ListenerPolicy

pytestmark = needs_envoy


TEXT: Final = AccessLogPolicy(connection_text="<{client} %% {{}} {protocol} {bytes_sent} {sni}>")
FORMS: Final = {
    "json": (ProxyOptions(), r'\{"attempts":1,"bytes_received":0,"bytes_sent":6,"client":"127.0.0.1",.*\}'),
    "text": (
        ProxyOptions(access_log=AccessLogFormat.TEXT),
        r"\[127.0.0.1\] \[../.../.{4}:.{8} \+0000\] TCP - 6 0 \d+ PORT db/pg \[db/pg/5432@.{10}\] 127.0.0.1:BACK 1 -",
    ),
    "configured": (ProxyOptions(policy=ListenerPolicy(access_log=TEXT)), r"<127.0.0.1 % {} TCP 6 ->"),
    "chosen": (
        ProxyOptions(access_log_fields=("path", "duration_ms", "service")),
        r'\{"duration_ms":\d+,"port":PORT,"service":"db/pg"\}',
    ),
    "off": (ProxyOptions(access_log=AccessLogFormat.OFF), None),
    "configured off": (ProxyOptions(policy=ListenerPolicy(access_log=AccessLogPolicy(has_connections=False))), None),
}
"""Options, and the line of a connection of TCP as an expression; None: no line."""


@pytest.mark.parametrize("form", FORMS)
async def test_a_line_of_the_log_has_the_chosen_form(tmp_path: Path, form: str) -> None:
    options, expected = FORMS[form]
    async with tcp_backend("pg") as pg, layer4_site(tmp_path, options) as ports:
        port = await ports.serve(raw_backend("pg"), pg.address)
        before = len(ports.site.envoy.log)
        async with TcpClient(port) as client:
            client.writer.write_eof()
            assert await client.rest() == b"pg\nend"
        while (await ports.site.envoy.stats(f"listener.tcp_{port}.downstream_cx_active")).popitem()[1]:
            await asyncio.sleep(0.01)
        if expected is None:
            await asyncio.sleep(0.05)
            assert "127.0.0.1" not in ports.site.envoy.log[before:]
        else:
            pattern = re.compile(expected.replace("PORT", str(port)).replace("BACK", str(pg.address[1])))
            await until(lambda: any(map(pattern.fullmatch, ports.site.envoy.log[before:].splitlines())))


async def test_a_line_of_text_has_the_figures_of_a_session(tmp_path: Path) -> None:
    backend = raw_backend("dns", Transport.UDP)
    options = ProxyOptions(access_log=AccessLogFormat.TEXT)
    async with udp_backend("dns") as udp, layer4_site(tmp_path, options) as ports:
        port = await ports.serve(backend, udp.address)
        with UdpClient(port) as client:
            await client.backend()
        await ports.remove(port_of(backend, number=port))
        line = re.compile(rf" UDP - 5 1 \d+ {port} db/dns \[db/dns/5432/udp@.*\] 127.0.0.1:{udp.address[1]} - -\n")
        await until(lambda: bool(line.search(ports.site.envoy.log)))


async def test_connections_and_sessions_count_by_service(tmp_path: Path) -> None:
    pg, dns = raw_backend("pg"), raw_backend("dns", Transport.UDP)
    async with (
        tcp_backend("pg") as tcp,
        udp_backend("dns") as udp,
        layer4_site(tmp_path, ProxyOptions(traffic_metrics=True)) as ports,
    ):
        port, udp_port = await ports.serve(pg, tcp.address), await ports.serve(dns, udp.address)
        for _ in range(2):
            async with TcpClient(port) as client:
                client.writer.write(b"select 1")
                client.writer.write_eof()
                assert await client.rest() == b"pg\nselect 1end"
        with UdpClient(udp_port) as asking:
            await asking.backend()
        await ports.endpoints(pg)
        async with TcpClient(port) as client:
            assert await client.rest() == b""
        await ports.remove(port_of(dns, number=udp_port))
        await ports.log(4)
        metrics = await ports.site.envoy.get("/stats/prometheus?filter=ingress.layer4")
    tcp_labels = f'{{listener="tcp/{port}",service="db/pg",flags="-"}}'
    lost_labels = f'{{listener="tcp/{port}",service="db/pg",flags="UH"}}'
    udp_labels = f'{{listener="udp/{udp_port}",service="db/dns",flags="-"}}'
    assert set(metrics.splitlines()) >= {
        f"envoy_ingress_layer4_connections{tcp_labels} 2",
        f"envoy_ingress_layer4_received_bytes{tcp_labels} 16",
        f"envoy_ingress_layer4_sent_bytes{tcp_labels} 28",
        f"envoy_ingress_layer4_connections{lost_labels} 1",
        f"envoy_ingress_layer4_connections{udp_labels} 1",
        f"envoy_ingress_layer4_received_bytes{udp_labels} 1",
        f"envoy_ingress_layer4_sent_bytes{udp_labels} 5",
    }, metrics
