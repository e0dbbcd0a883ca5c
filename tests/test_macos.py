"""`xds` and the demo on macOS, as far as Linux can show: no Mac runs these tests.

Covers: commands and servers without the names that Python lacks there (tests/support/macos.py), and a list of the
places that know the platform. Excludes: the demo with ports of its own for each Envoy (tests/e2e/test_demo.py).
"""

import asyncio
import errno
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import aiohttp
import pytest

from tests.support.envoy import free_port
from tests.support.needs_linux import NEEDS_LINUX, TESTS
from xds.address import UnixPath
from xds.process.bind_failure import bind_failure

REPOSITORY: Final = TESTS.parent
AS_ON_MACOS: Final = (sys.executable, "-m", "tests.support.macos")

KNOWN_PLACES: Final = {
    "envoy/demo/monitoring.py": "DEMO_MONITORING says on macOS that Debian's packages are needed",
    "envoy/demo/ports.py": "on macOS, Envoys can't share a port, and 127.0.0.1 is the only address",
    "xds/authz/worker.py": "os.nice exists on macOS as well",
    "xds/cli/authz.py": "processors of the machine in place of those of the process",
    "xds/controlplane/app.py": "an abstract name of a socket: bind_failure.py says that Linux alone has them",
    "xds/cli/client.py": "likewise, in the address of a server",
    "xds/authz/app.py": "likewise",
    "xds/address.py": "likewise",
    "xds/controlplane/descriptors.py": "/dev/fd exists on macOS as well; the limit has a fallback",
    "xds/kubeapi/client.py": "options of sockets, each where Python has its name",
    "xds/process/bind_failure.py": "names the reason",
    "xds/problems/reasons.py": "the remedy of FolderNotWatched names inotify, which nobody lacks on macOS",
    "xds/reporting/lease.py": "the clock has another name",
    "xds/resources/backend_tls.py": "a file of the proxies' system: macOS' Envoy has /etc/ssl/cert.pem instead",
    "xds/resources/gateway/listeners.py": "freebind, for other addresses than those of loopback, which serve on macOS",
    "xds/server/handshakes.py": "without /proc/net/tcp, a failed handshake has no peer in the log",
    "xds/sources/folder/reading.py": "names of standard input",
    "xds/sources/folder/source.py": "watchfiles uses FSEvents on macOS",
    "xds/sources/folder/watcher.py": "without /proc, watches count as complete",
    "xds/translate/nginx/configmap/nginx_only.py": "a key of nginx",
}
"""Places that name something that Linux alone has, or where platforms differ, with the behaviour on macOS."""

NAMES: Final = re.compile(
    r"/proc/|/sys/|/dev/fd|/etc/ssl/certs|sys\.platform|inotify|abstract|sched_|prctl|pidfd|epoll|eventfd|memfd|pipe2|os\.nice"
    r"|SO_REUSEPORT|reuse_port|TCP_KEEPIDLE|TCP_USER_TIMEOUT|CLOCK_BOOTTIME|SO_PEERCRED|original_dst|freebind"
)


def named(folder: str) -> set[str]:
    paths = (path for path in (REPOSITORY / folder).rglob("*.py") if not path.is_relative_to(REPOSITORY / "xds/api"))
    text_of = {path.relative_to(REPOSITORY).as_posix(): path.read_text(encoding="utf-8") for path in paths}
    return {
        path for path, text in text_of.items() if NAMES.search(re.sub(r"from abc import.*|@abstractmethod", "", text))
    }


def test_every_place_that_knows_linux_has_a_way_on_macos() -> None:
    assert named("xds") | named("envoy/demo") == set(KNOWN_PLACES)


def test_every_folder_or_file_that_needs_linux_exists() -> None:
    assert not [name for name in NEEDS_LINUX if not (TESTS / name).exists()]


@pytest.mark.parametrize(
    ("arguments", "code", "part"),
    [
        (("lint", "k8s/demo"), 1, "5 Ingresses checked"),
        (("translate", "k8s/demo", "-o", "json"), 1, "shop.localhost"),
        (("bootstrap", "--xds", "127.0.0.1:18000", "--node-id", "me"), 0, "127.0.0.1"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_command_works_without_linux(arguments: tuple[str, ...], code: int, part: str) -> None:
    done = subprocess.run(
        [*AS_ON_MACOS, *arguments], check=False, cwd=REPOSITORY, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    assert part in done.stdout + done.stderr


def test_an_abstract_name_of_a_socket_is_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "darwin")
    reason = bind_failure(UnixPath("@xds"), FileNotFoundError(errno.ENOENT, "No such file or directory"))
    assert reason == "sockets with abstract names exist on Linux alone"


@pytest.mark.parametrize("command", ["serve", "authz"])
async def test_a_server_starts_and_stops_without_linux(command: str, tmp_path: Path) -> None:
    listen, admin = (f"127.0.0.1:{free_port()}" for _ in range(2))
    flags = ["--from", "k8s/demo", "--ui", "off"] if command == "serve" else []
    log = tmp_path / "log"
    with log.open("wb") as output:
        server = await asyncio.create_subprocess_exec(
            *(*AS_ON_MACOS, command, "--listen", listen, "--admin", admin, *flags),
            cwd=REPOSITORY,
            stdout=output,
            stderr=output,
        )
    try:
        async with aiohttp.ClientSession() as session, asyncio.timeout(80):
            while server.returncode is None and not await _is_ready(session, admin):
                await asyncio.sleep(0.05)
        server.send_signal(signal.SIGTERM)
        assert await server.wait() == 0
    finally:
        if server.returncode is None:
            server.kill()
    assert "Traceback" not in log.read_text()


async def _is_ready(session: aiohttp.ClientSession, admin: str) -> bool:
    try:
        async with session.get(f"http://{admin}/readyz") as answer:
            return answer.status == 200
    except aiohttp.ClientError:
        return False
