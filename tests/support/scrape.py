"""Scrapes of real processes with all of their metrics."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp

from tests.support.authority import Authority, SecretMount
from tests.support.envoy import free_port
from tests.support.guarded_envoy import running_authz
from tests.support.watched_api import WatchedApi
from xds.kube.objects import Ingress


async def scrape(admin: str, **headers: str) -> str:
    """The text of /metrics of an admin port."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            f"http://{admin}/metrics", headers={name.replace("_", "-"): text for name, text in headers.items()}
        ) as answer,
    ):
        assert answer.status == 200
        return await answer.text()


@contextlib.asynccontextmanager
async def serving_everything(folder: Path) -> AsyncIterator[str]:
    """The admin address of an `xds serve` with an API server as its source, and with TLS: it has every metric."""
    admin, mount = f"127.0.0.1:{free_port()}", SecretMount(folder / "tls", Authority().issue("control-plane.example"))
    async with WatchedApi() as api:
        api.write(Ingress, "web")
        flags = ("--kubeconfig", _kubeconfig(folder, api.url), "--listen", "127.0.0.1:0", "--admin", admin)
        command = (sys.executable, "-m", "xds", "serve", *flags, *mount.server_flags)
        with (folder / "log").open("w") as log:
            process = await asyncio.create_subprocess_exec(*command, stderr=log)
        try:
            async with asyncio.timeout(60):
                await _until_ready(admin, process)
            yield admin
        finally:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            await process.wait()


async def scrape_of_serve(folder: Path) -> str:
    async with serving_everything(folder) as admin:
        return await scrape(admin)


async def scrape_of_authz(folder: Path) -> str:
    async with running_authz(f"unix:{folder / 'authz.sock'}", folder / "log") as authz:
        return await scrape(authz.admin)


async def _until_ready(admin: str, process: asyncio.subprocess.Process) -> None:
    async with aiohttp.ClientSession() as session:
        while process.returncode is None:
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(f"http://{admin}/readyz") as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.02)
    raise RuntimeError("the server ended")


def _kubeconfig(folder: Path, url: str) -> str:
    content = {
        "clusters": [{"name": "c", "cluster": {"server": url}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path = folder / "kubeconfig"
    path.write_text(json.dumps(content))
    return str(path)
