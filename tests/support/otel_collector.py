"""A real OpenTelemetry Collector, which writes the spans that it receives as text; as a program it builds the binary.

The binary is in the user's cache, by the hash of its sources. A test never builds: it is skipped with the command that
does.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import platformdirs
import pytest

from tests.support.envoy import free_port
from tests.support.waiting import WAIT_LIMIT_SECONDS

SOURCES: Final = Path(__file__).parent / "otelcol"

_FLAGS: Final = ("-buildvcs=false", "-trimpath", "-ldflags", "-s -w")
_ATTRIBUTE: Final = re.compile(r"-> ([\w.]+): Str\((.*)\)")


def binary() -> Path:
    """Where the binary is, or would be."""
    digest = hashlib.sha256(b"".join((SOURCES / name).read_bytes() for name in ("main.go", "go.mod", "go.sum")))
    return platformdirs.user_cache_path("xds-ingress") / f"otelcol-{digest.hexdigest()[:12]}"


needs_collector = pytest.mark.skipif(
    not binary().exists(), reason="no OpenTelemetry Collector: `make collector` builds it with Go"
)


@dataclass(frozen=True, slots=True)
class RealCollector:
    """A running collector: its port for OTLP over gRPC, and its output."""

    port: int
    log: Path

    @property
    def spans(self) -> list[dict[str, str]]:
        """The spans received so far: attributes, and `trace_id`."""
        found: list[dict[str, str]] = []
        for line in self.log.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("Span #"):
                found.append({})
            elif found and "Trace ID " in line:
                found[-1]["trace_id"] = line.rpartition(":")[2].strip()
            elif found and (attribute := _ATTRIBUTE.search(line)):
                found[-1][attribute[1]] = attribute[2]
        return found


@contextlib.asynccontextmanager
async def real_collector(folder: Path) -> AsyncIterator[RealCollector]:
    """A collector that listens, killed at the end."""
    port, config, log = free_port(), folder / "otelcol.json", folder / "otelcol.log"
    config.write_text(json.dumps(_config(port)))  # JSON is YAML
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(binary(), "--config", config, stdout=output, stderr=output)
    try:
        async with asyncio.timeout(WAIT_LIMIT_SECONDS):
            while "Everything is ready" not in log.read_text():
                if process.returncode is not None:
                    raise RuntimeError(f"the collector ended:\n{log.read_text()[-2000:]}")
                await asyncio.sleep(0.02)
        yield RealCollector(port, log)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _config(port: int) -> dict[str, Any]:
    return {
        "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": f"127.0.0.1:{port}"}}}},
        "exporters": {"debug": {"verbosity": "detailed"}},
        "service": {
            "pipelines": {"traces": {"receivers": ["otlp"], "exporters": ["debug"]}},
            "telemetry": {"metrics": {"level": "none"}},
        },
    }


def main() -> None:
    """Build the binary. Without Go, its test is skipped."""
    target = binary()
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if target.exists():
            return
        if not shutil.which("go"):
            print("no Go here (https://go.dev/dl): the test with a real OpenTelemetry Collector is skipped")
            return
        print(f"building the OpenTelemetry Collector in {target}: minutes, once", flush=True)
        unfinished = target.with_suffix(".unfinished")
        command, environment = ["go", "build", *_FLAGS, "-o", str(unfinished), "."], {**os.environ, "CGO_ENABLED": "0"}
        built = subprocess.run(command, cwd=SOURCES, env=environment, check=False)
        if built.returncode:
            print("the OpenTelemetry Collector can't be built: its test is skipped")
            return
        unfinished.rename(target)


if __name__ == "__main__":
    main()
