"""The network namespace of a Pod, with an address on the bridge that `network` made."""

import asyncio
import contextlib
import subprocess
from collections.abc import Sequence
from typing import Final

GATEWAY: Final = "192.0.2.1"
"""The node's own address."""

ADDRESSES: Final = [f"192.0.2.{host}" for host in range(2, 255)]

_SCRIPT: Final = """
echo made; read go
hostname "$2"
ip link set lo up
ip addr add "$1/24" dev eth0 && ip link set eth0 up && ip route add default via "$3"
shift 3
for sysctl; do name=${sysctl%%=*}; echo "${sysctl#*=}" > "/proc/sys/$(echo "$name" | tr . /)"; done
echo up; exec sleep infinity"""


async def run(*command: str) -> None:
    """Raises:
    RuntimeError: The command failed.
    """
    process = await asyncio.create_subprocess_exec(*command, stderr=subprocess.PIPE)
    _, errors = await process.communicate()
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)}: {errors.decode()}")


class Sandbox:
    """Network and host name of a Pod: gone when `close` was called and every process in it has ended.

    Args:
        sysctls: Of the Pod, as NAME=VALUE.
    """

    def __init__(self, address: str, host_name: str, sysctls: Sequence[str] = ()) -> None:
        self.address: Final = address
        self._host_name = host_name
        self._sysctls = sysctls
        self._process: asyncio.subprocess.Process | None = None

    async def open(self) -> None:
        """Raises:
        RuntimeError: The machine does not let us.
        """
        self._process = await asyncio.create_subprocess_exec(
            *("setpriv", "--pdeathsig", "KILL", "unshare", "--net", "--uts"),
            *("sh", "-ec", _SCRIPT, "sandbox", self.address, self._host_name, GATEWAY, *self._sysctls),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdin
        assert self._process.stdout
        await self._process.stdout.readline()
        name = f"pod{self.address.rpartition('.')[2]}"
        with contextlib.suppress(RuntimeError):
            await run("ip", "link", "del", name)
        await run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", str(self._process.pid))
        await run("ip", "link", "set", name, "master", "pods", "up")
        self._process.stdin.write(b"go\n")
        if (await self._process.stdout.readline()).strip() != b"up":
            raise RuntimeError(f"no network for {self.address}")

    def entered(self, *command: str) -> tuple[str, ...]:
        """The command line that runs a command in the namespaces."""
        assert self._process
        of = f"/proc/{self._process.pid}/ns"
        return ("nsenter", f"--net={of}/net", f"--uts={of}/uts", "--", *command)

    async def close(self) -> None:
        if self._process and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()
