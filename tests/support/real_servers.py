"""Servers that people run, and their clients, from Debian's packages: PostgreSQL, NSD, Mosquitto and OpenSSH.

A server listens on an address of its own with the port of the others, as the Pods of a Service do, and answers with
its name.
"""

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from tests.support.authority import Issued
from tests.support.debian import libraries, program

USER: Final = "test"
"""Of PostgreSQL, without a password."""

NOBODY: Final = 65534

_UNPRIVILEGED: Final = ("unshare", "--user", f"--map-user={NOBODY}", f"--map-group={NOBODY}")
"""PostgreSQL does not run as root, and OpenSSH wants a user of its own then: in a namespace, root is another user."""

BIG_BYTES: Final = 3000
"""Text in NSD's answer about `big.test`: more than a datagram of 1,500 bytes, less than EDNS' usual 4,096."""

_ZONE: Final = """\
$ORIGIN test.
$TTL 0
@ SOA ns.test. admin.test. 1 3600 600 86400 0
@ NS ns.test.
ns A 127.0.0.1
who TXT "{name}"
* TXT "{name}"
big TXT {big}
"""

_NSD: Final = """\
server:
  ip-address: {address}@{port}
  server-count: 1
  ipv4-edns-size: 4096
  username: ""
  database: ""
  pidfile: ""
  logfile: "{folder}/nsd.log"
  zonesdir: "{folder}"
  zonelistfile: "{folder}/zone.list"
  xfrdfile: "{folder}/xfrd.state"
  xfrdir: "{folder}"
  cookie-secret-file: ""
  rrl-ratelimit: 0
remote-control:
  control-enable: no
zone:
  name: test
  zonefile: test.zone
"""

_SSHD: Final = """\
ListenAddress {address}:{port}
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
StrictModes no
UsePAM no
PidFile none
Subsystem sftp internal-sftp
ForceCommand internal-sftp
"""


@dataclass(slots=True)
class Server:
    """A running server.

    Attributes:
        name: Its answers hold it.
        stop: The signal at which the server ends, and closes its connections first.
    """

    name: str
    process: asyncio.subprocess.Process
    stop: signal.Signals = signal.SIGTERM

    async def end(self) -> None:
        if self.process.returncode is None:
            self.process.send_signal(self.stop)
        await self.process.wait()


@dataclass(frozen=True, slots=True)
class Result:
    """The output of a client, and its exit code."""

    code: int
    out: str
    err: str


needs_a_user = pytest.mark.skipif(
    os.geteuid() == 0
    and subprocess.run([*_UNPRIVILEGED, "true"], check=False, stderr=subprocess.DEVNULL).returncode != 0,
    reason="no user namespaces here, in which root is another user",
)
"""For tests with PostgreSQL or OpenSSH."""


async def run(name: str, *arguments: str) -> Result:
    """The result of a client, which is ended with the test."""
    process = await start(name, *arguments)
    try:
        out, err = await process.communicate()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    return Result(process.returncode or 0, out.decode(), err.decode())


async def start(name: str, *arguments: str) -> asyncio.subprocess.Process:
    """A client, with pipes to its input, output and errors."""
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        program(name), *arguments, env=os.environ | libraries(), stdin=pipe, stdout=pipe, stderr=pipe
    )


@contextlib.asynccontextmanager
async def postgresql(folder: Path, name: str, address: str, port: int) -> AsyncIterator[Server]:
    """An empty PostgreSQL with one database, `postgres`. `show cluster_name` is the name."""
    data, log = folder / name, folder / f"{name}.log"
    template = folder / "template"
    if not template.exists():
        flags = ("--no-sync", "--auth=trust", "--username", USER, "--encoding=UTF8", "--locale=C", "--wal-segsize=1")
        async with _process(log, *_as_user(), program("initdb"), *flags, "-D", str(template)) as process:
            assert await process.wait() == 0, log.read_text()
    shutil.copytree(template, data)
    settings = {
        "listen_addresses": address,
        "port": str(port),
        "cluster_name": name,
        "unix_socket_directories": "",
        "fsync": "off",
    }
    given = [part for setting, value in settings.items() for part in ("-c", f"{setting}={value}")]
    async with _process(log, *_as_user(), program("postgres"), "-D", str(data), *given) as process:
        # SIGINT is PostgreSQL's fast end, and the stop signal of its images; SIGTERM waits for all sessions.
        yield await _answering(Server(name, process, signal.SIGINT), address, port, log)


@contextlib.asynccontextmanager
async def nsd(folder: Path, name: str, address: str, port: int) -> AsyncIterator[Server]:
    """A DNS server, over UDP and TCP. It answers its name as the text of every host, and a long text for `big.test`."""
    own = folder / name
    own.mkdir()
    big = " ".join(f'"{name}{"x" * (100 - len(name))}"' for _ in range(BIG_BYTES // 100))
    (own / "test.zone").write_text(_ZONE.format(name=name, big=big))
    config = own / "nsd.conf"
    config.write_text(_NSD.format(address=address, port=port, folder=own))
    async with _process(own / "log", program("nsd"), "-d", "-c", str(config)) as process:
        yield await _answering(Server(name, process), address, port, own / "log")


@contextlib.asynccontextmanager
async def mosquitto(
    folder: Path, name: str, address: str, port: int, issued: Issued | None = None
) -> AsyncIterator[Server]:
    """A broker of MQTT, which keeps nothing; with a certificate, over TLS alone."""
    config, log = folder / f"{name}.conf", folder / f"{name}.log"
    lines = [f"listener {port} {address}", "allow_anonymous true", "persistence false", "user root"]
    if issued:
        for part, content in (("certfile", issued.certificate), ("keyfile", issued.private_key)):
            (folder / f"{name}.{part}").write_bytes(content)
            lines.append(f"{part} {folder}/{name}.{part}")
    config.write_text("\n".join(lines) + "\n")
    async with _process(log, program("mosquitto"), "-c", str(config)) as process:
        yield await _answering(Server(name, process), address, port, log)


@contextlib.asynccontextmanager
async def openssh(folder: Path, name: str, address: str, port: int) -> AsyncIterator[Server]:
    """A server of SFTP for one user, whose key is the folder's file `user`. Servers of a folder share a key."""
    for key in ("host", "user"):
        if not (folder / key).exists():
            made = await run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / key))
            assert made.code == 0, made
    config, log = folder / f"{name}.conf", folder / f"{name}.log"
    config.write_text(_SSHD.format(address=address, port=port, folder=folder))
    async with _process(log, *_as_user(), program("sshd"), "-D", "-e", "-f", str(config)) as process:
        yield await _answering(Server(name, process), address, port, log)


def ssh_user() -> str:
    """The user of `openssh`: a process that isn't root's lets its own user in alone."""
    return pwd.getpwuid(os.geteuid() or NOBODY).pw_name


def _as_user() -> tuple[str, ...]:
    return _UNPRIVILEGED if os.geteuid() == 0 else ()


async def _answering(server: Server, address: str, port: int, log: Path) -> Server:
    """The server, as soon as it accepts connections."""
    while True:
        assert server.process.returncode is None, log
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(address, port)
            writer.close()
            return server
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def _process(log: Path, *command: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """A process with the children that it starts, killed at the end."""
    with log.open("ab") as output:
        process = await asyncio.create_subprocess_exec(
            *command, env=os.environ | libraries(), stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
