"""`xds serve` as a process, in front of a real API server."""

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support.cluster import Cluster


@dataclass
class Server:
    """The process, by its log."""

    log: Path

    def logged(self, event: str) -> list[dict[str, Any]]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [found for line in lines if line.startswith("{") and (found := json.loads(line))["event"] == event]

    async def until(self, event: str) -> dict[str, Any]:
        async with asyncio.timeout(30):
            while not (found := self.logged(event)):
                await asyncio.sleep(0.05)
        return found[0]


@contextlib.contextmanager
def serving(cluster: Cluster, namespace: str, folder: Path, *flags: str) -> Iterator[Server]:
    """Run the server until the block ends. Lease and Events are in the namespace; files are in the folder."""
    config = yaml.safe_load(cluster.kubeconfig.read_text())
    config["contexts"][0]["context"]["namespace"] = namespace
    kubeconfig, log = folder / "kubeconfig", folder / "log"
    kubeconfig.write_text(yaml.safe_dump(config))
    command = [sys.executable, "-m", "xds", "serve", f"--kubeconfig={kubeconfig}", "--log-format=json"]
    command += ["--listen=127.0.0.1:0", "--admin=127.0.0.1:0", "--ui=off", "--log-level=debug", *flags]
    with log.open("wb") as output:
        running = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    try:
        yield Server(log)
    finally:
        running.terminate()
        running.wait()
