"""Contour (https://projectcontour.io) on the same API server, as something to compare with."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

from tests.bench import programs
from tests.bench.server import Running
from tests.support.cluster import Cluster
from tests.support.envoy import free_port

NAME: Final = "Contour 1.33.8"
START_SECONDS: Final = 60.0

KINDS: Final = 4
"""Of each version, with the resource of each kind's status."""


@contextlib.asynccontextmanager
async def running(cluster: Cluster, namespace: str) -> AsyncIterator[Running]:
    """Contour for the Ingresses of one namespace. Raises RuntimeError if it doesn't listen within START_SECONDS."""
    await cluster.kubectl("create", "-f", str(programs.contour() / "contour-crds.yaml"))
    await cluster.until("/apis/projectcontour.io/v1", _has_kinds)
    await cluster.until("/apis/projectcontour.io/v1alpha1", _has_kinds)
    port = free_port()
    flags = (
        *("--insecure", "--disable-leader-election", "--ingress-class-name=envoy", "--xds-address=127.0.0.1"),
        *(f"--kubeconfig={cluster.kubeconfig}", f"--watch-namespaces={namespace}", f"--xds-port={port}"),
        *(f"--{name}-port={free_port()}" for name in ("http", "health", "debug-http")),
    )
    log = cluster.folder / "contour.log"
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            programs.contour() / "contour", "serve", *flags, stdout=output, stderr=output
        )
    try:
        await _listening(port, process)
        yield Running(process, f"127.0.0.1:{port}")
    except TimeoutError:
        raise RuntimeError(f"Contour isn't ready:\n{log.read_text()[-3000:]}") from None
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _has_kinds(discovery: Any) -> bool:
    return "resources" in discovery and len(discovery["resources"]) >= KINDS


async def _listening(port: int, process: asyncio.subprocess.Process) -> None:
    async with asyncio.timeout(START_SECONDS):
        while process.returncode is None:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.close()
                return
            await asyncio.sleep(0.1)
    raise TimeoutError
