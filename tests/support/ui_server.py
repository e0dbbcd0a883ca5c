"""`xds serve --ui` as a process, on a folder of manifests."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Final

from tests.controlplane.test_app import Serve
from tests.support.envoy import free_port
from tests.support.followed import save
from tests.support.objects import manifest
from tests.support.waiting import until
from xds.kube.objects import KubeObject

DEFAULT: Final = "127.0.0.1:18002"
"""The address without --ui."""


class UiServer(Serve):
    """A running server.

    Attributes:
        site: The address of the page, as `http://HOST:PORT`.
        folder: The manifests, followed by the server.
        error: Lines of standard error that are not of the log.
    """

    def __init__(self, process: asyncio.subprocess.Process, ui: str, folder: Path) -> None:
        super().__init__(process)
        self.site = f"http://{ui}"
        self.folder = folder
        self.error = ""

    async def read_logs(self) -> None:
        assert self.process.stderr
        async for line in self.process.stderr:
            if line.startswith(b"{"):
                self.logs.append(json.loads(line))
            else:
                self.error += line.decode()

    def write(self, *objects: KubeObject) -> None:
        """Create or replace the file of each object."""
        write(self.folder, objects)

    def delete(self, *objects: KubeObject) -> None:
        for each in objects:
            _file(self.folder, each).unlink()


def write(folder: Path, objects: Iterable[KubeObject]) -> None:
    """Write a file for each object."""
    for each in objects:
        save(_file(folder, each), json.dumps(manifest(each), default=str))


def write_many(folder: Path, objects: Iterable[KubeObject]) -> None:
    """Write all objects into one file, which is read much faster than a file each."""
    save(folder / "many.json", json.dumps({"kind": "List", "apiVersion": "v1", "items": [*map(manifest, objects)]}))


@contextlib.asynccontextmanager
async def ui_server(folder: Path, *flags: str, ui: str | None = "", port: int = 0) -> AsyncIterator[UiServer]:
    """Run a server until ready.

    Args:
        ui: The value of --ui; a free port of 127.0.0.1 if empty; None: without the flag.
        port: Of --listen; 0: any free one.
    """
    ui = f"127.0.0.1:{free_port()}" if ui == "" else ui
    command = [sys.executable, "-m", "xds", "serve", "--from", str(folder), "--listen", f"127.0.0.1:{port}"]
    command += ["--admin", "127.0.0.1:0", "--log-format", "json", *flags]
    command += [] if ui is None else ["--ui", ui]
    process = await asyncio.create_subprocess_exec(*command, stderr=asyncio.subprocess.PIPE)
    server = UiServer(process, ui or DEFAULT, folder)
    reading = asyncio.create_task(server.read_logs())
    try:
        await until(lambda: server.has_logged("serving") or reading.done())
        assert not reading.done(), server.error
        await server.until_ready()
        yield server
    finally:
        await server.close()
        await reading


def _file(folder: Path, each: KubeObject) -> Path:
    return folder / f"{each.metadata.namespace}_{type(each).__name__}_{each.metadata.name}.json".replace("/", "_")
