"""TCP and UDP ports from a folder of manifests, with edits while the control plane runs.

Excludes: the ConfigMaps of an API server (tests/cluster/test_layer4.py), and the forms of entries
(tests/translate/layer4).
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from tests.support.ads_client import LDS, DeltaClient
from tests.support.waiting import until
from xds.controlplane.app import ControlPlane
from xds.controlplane.settings import Settings
from xds.problems.problem import Key
from xds.resources.options import ProxyOptions
from xds.traffic.layer4 import PortKey, Transport
from xds.translate.layer4.options import Layer4Options, PortRange
from xds.translate.options import TranslateOptions

LAYER4 = Layer4Options(
    {Transport.TCP: Key("edge", "tcp"), Transport.UDP: Key("edge", "udp")},
    (PortRange(9100, 9109, "db"),),
    frozenset({PortKey(Transport.TCP, 9901)}),
)


def ports(name: str, **entries: str) -> str:
    lines = "".join(f"  '{port.removeprefix('p')}': {value}\n" for port, value in entries.items())
    return f"---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: edge}}\ndata:\n{lines}"


def service(annotations: str = "") -> str:
    return (
        f"---\napiVersion: v1\nkind: Service\nmetadata: {{name: pg, namespace: db, annotations: {{{annotations}}}}}\n"
        "spec: {clusterIP: 192.0.2.1, ports: [{port: 5432, name: sql}, {port: 53, name: dns, protocol: UDP}]}\n"
    )


def save(file: Path, text: str) -> None:
    """Replace a file as editors do."""
    beside = file.with_suffix(".new")
    beside.write_text(text)
    beside.rename(file)


@contextlib.asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[list[Any]]:
    """A control plane for the folder; yields the lines of its log."""
    settings = Settings(
        folder, TranslateOptions(layer4=LAYER4), ProxyOptions(), listen="127.0.0.1:0", admin="127.0.0.1:0"
    )
    with capture_logs() as logs:
        task = asyncio.create_task(ControlPlane(settings, deletion_grace_seconds=0.05).serve())
        await until(lambda: any(line["event"] == "serving" for line in logs))
        yield logs
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def test_edits_of_config_maps_and_services_open_and_close_ports(tmp_path: Path) -> None:
    save(tmp_path / "service.yaml", service())
    save(tmp_path / "tcp.yaml", ports("tcp", p9000="db/pg:sql", p9001="db/gone:80"))
    async with serving(tmp_path) as logs:

        def logged(event: str, reason: str) -> list[str]:
            return [str(line["object"]) for line in logs if line["event"] == event and line.get("reason") == reason]

        address = next(str(line["address"]) for line in logs if line["event"] == "serving")
        client = DeltaClient(address, "proxy").open()
        await client.subscribe(LDS)
        await client.ack(await client.expect(LDS, "http", "tcp/9000"))
        assert logged("problem", "BackendNotFound") == ["ConfigMap edge/tcp"]
        assert logged("problem", "PortConfigMapNotFound") == ["ConfigMap edge/udp"]

        save(tmp_path / "tcp.yaml", ports("tcp", p9000="db/pg:sql", p9001="db/pg:5432", p9901="db/pg:sql"))
        await client.ack(await client.expect(LDS, "tcp/9001"))
        await until(lambda: logged("problem", "PortReserved") == ["ConfigMap edge/tcp"])
        assert logged("problem_solved", "BackendNotFound") == ["ConfigMap edge/tcp"]

        save(tmp_path / "udp.yaml", ports("udp", p53="db/pg:dns"))
        await client.ack(await client.expect(LDS, "udp/53"))
        save(tmp_path / "service.yaml", service("xds-ingress.dev/expose: '9100=tcp:sql, 9200=tcp:sql'"))
        await client.ack(await client.expect(LDS, "tcp/9100"))
        await until(lambda: logged("problem", "PortNotExposed") == ["Service db/pg"])

        (tmp_path / "tcp.yaml").unlink()
        await client.ack(await client.expect(LDS, removed=("tcp/9000", "tcp/9001")))
        save(tmp_path / "service.yaml", service())
        await client.ack(await client.expect(LDS, removed=("tcp/9100",)))
        await client.close()
