"""`xds migrate` on 5,000 Ingresses, of which most have annotations: what kubectl prints, on standard input."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Mapping
from time import monotonic
from typing import Any, Final

import yaml

from tests.bench.figures import Figure
from tests.bench.filters import FAMILIES

COUNT: Final = 5000
NAMESPACES: Final = 50

_SCRIPT: Final = (
    "import sys, time; from xds.cli.main import run; run(['migrate', '-', '-o', sys.argv[1]]); "
    "print(time.process_time(), file=sys.stderr)"
)


async def measure() -> AsyncIterator[Figure]:
    """CPU and time of new processes, with the start of Python."""
    documents = {"apiVersion": "v1", "kind": "List", "items": [_ingress(number) for number in range(COUNT)]}
    for form, text in (("json", json.dumps(documents)), ("yaml", yaml.dump(documents, Dumper=yaml.CSafeDumper))):
        for output in ("json", "text"):
            cpu, seconds = await _run(text.encode(), output)
            yield Figure(f"{COUNT:,} Ingresses in {form}, report as {output}: CPU", cpu, "s")
            yield Figure(f"{COUNT:,} Ingresses in {form}, report as {output}", seconds, "s")


async def _run(text: bytes, output: str) -> tuple[float, float]:
    began = monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        _SCRIPT,
        output,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    _, error = await process.communicate(text)
    return float(error), monotonic() - began


def _ingress(number: int) -> Mapping[str, Any]:
    families = list(FAMILIES.values())
    backend = {"service": {"name": f"s{number}", "port": {"number": 80}}}
    host = f"h{number}.example.com"
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": f"web-{number}",
            "namespace": f"team-{number % NAMESPACES}",
            "creationTimestamp": f"2024-01-01T{number % 24:02}:{number % 60:02}:00Z",
            "annotations": dict(families[number % len(families)] or {}),
        },
        "spec": {
            "ingressClassName": "nginx",
            "tls": [{"hosts": [host], "secretName": f"tls-{number}"}],
            "rules": [
                {"host": host, "http": {"paths": [_path("/", backend), _path("/b", backend)]}},
            ],
        },
    }


def _path(path: str, backend: Mapping[str, Any]) -> Mapping[str, Any]:
    return {"path": path, "pathType": "Prefix", "backend": backend}
