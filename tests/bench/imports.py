"""The cost of importing the server, and a command that asks a server."""

import asyncio
import statistics
import sys
from collections.abc import AsyncIterator
from typing import Final

from tests.bench.figures import Figure

ROUNDS: Final = 7

_SCRIPT: Final = "import time, {modules}; print(time.process_time())"


async def measure() -> AsyncIterator[Figure]:
    """New processes of Python, with their start."""
    yield Figure("xds serve, CPU", await import_cpu("xds.cli.serve, xds.controlplane.app"), "s", limit=1.1)
    yield Figure("xds proxies, CPU", await import_cpu("xds.cli.proxies"), "s", limit=0.3)
    yield Figure("xds --version, CPU", await import_cpu("xds.cli.main"), "s", limit=0.3)


async def import_cpu(modules: str) -> float:
    """Seconds of processor, in the median of ROUNDS."""
    return statistics.median([await _once(modules) for _ in range(ROUNDS)])


async def _once(modules: str) -> float:
    script = _SCRIPT.format(modules=modules)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return float(output)
