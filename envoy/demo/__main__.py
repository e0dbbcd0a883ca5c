"""`make demo`: echo backends, the control plane, two Envoys, and a tour of their behaviour.

DEMO_ONCE=1 ends after the tour; otherwise the demo runs until Ctrl-C. DEMO_TLS=1 adds mutual TLS between the control
plane and its clients, as needed across machines. DEMO_MONITORING=1 adds Prometheus and Alertmanager. DEMO_MACOS=1 has
the demo go macOS' ways on Linux. The exit code is 0 if every step of the tour succeeded.
"""

import asyncio
import os
import signal
import sys
import time
from typing import NoReturn

from backends import Backends
from certificates import Authority
from client import Client
from envoys import admin_session
from folder import WorkingFolder
from invitation import invite
from monitoring import Monitoring, check_programs, traffic
from ports import NoPortError, has_loopback_network
from processes import Children, DemoError
from protection import Protection, protect
from screen import Screen
from startup import VARIANTS, Launch, choose_ports
from tour import tour
from waiting import first
from world import World

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


class Interrupted(Exception):  # noqa: N818 - not an error
    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number.name)
        self.number = number


class Interruption:
    """The first signal that requests the end. Later signals are ignored, so that the cleanup completes."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self._received: asyncio.Future[signal.Signals] = loop.create_future()
        for number in SIGNALS:
            if number is signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
                continue  # nohup
            loop.add_signal_handler(number, self._receive, number)

    async def wait(self) -> signal.Signals:
        return await asyncio.shield(self._received)

    async def strike(self) -> NoReturn:
        """Wait for a signal.

        Raises:
            Interrupted: a signal came.
        """
        raise Interrupted(await self.wait())

    def _receive(self, number: signal.Signals) -> None:
        if not self._received.done():
            self._received.set_result(number)


async def demo(screen: Screen, interruption: Interruption, *, once: bool) -> bool:
    """Run the demo. True if every step of the tour succeeded.

    Raises:
        DemoError: the demo can't go on.
        Interrupted: a signal came before the end of the tour.
    """
    with WorkingFolder() as folder:
        try:
            ok = await _in(folder, screen, interruption, once=once)
        except DemoError:
            folder.keep = True
            raise
        finally:
            if folder.keep:
                screen.parting(f"Logs and manifests are kept in {folder.root}")
    return ok


async def _in(folder: WorkingFolder, screen: Screen, interruption: Interruption, *, once: bool) -> bool:
    async with Backends() as backends, admin_session() as session, Children(folder.logs) as children:
        folder.fill(backends, Authority("xds-ingress demo CA").issue("secure.localhost"))
        _introduce(screen, folder)
        start, chosen = time.perf_counter(), choose_ports()
        protection = protect(folder.tls, *VARIANTS) if _asked_for("DEMO_TLS") else Protection()
        monitoring = Monitoring(folder.root, chosen) if _asked_for("DEMO_MONITORING") else None
        launch = Launch(screen, children, folder, chosen, session, protection, monitoring)
        await first(interruption.strike(), launch.control_planes())
        await first(interruption.strike(), launch.authorizer())
        fleet = await first(interruption.strike(), launch.fleet())
        await first(interruption.strike(), launch.monitor())
        screen.note(f"Ready after {time.perf_counter() - start:.1f} s.")
        async with Client(folder.authority) as client:
            world = World(screen, chosen, folder, backends, fleet, client, protection)
            ok = await first(interruption.strike(), children.first_death(), tour(world))
            folder.keep = not ok
            if not once:
                if monitoring:
                    monitoring.invite(screen)
                invite(world)
                background = [traffic(world)] if monitoring else []
                await first(interruption.wait(), children.first_death(), *background)
    return ok


def _introduce(screen: Screen, folder: WorkingFolder) -> None:
    screen.heading(
        f"xds-ingress: a control plane, {len(VARIANTS)} Envoys, and a folder of manifests instead of a cluster"
    )
    if not has_loopback_network():
        screen.note(
            "Each Envoy has ports of its own here, and so a control plane of its own. On Linux they share both."
        )
    screen.note(f"Manifests, watched for changes: {folder.manifests}")
    screen.note(f"Logs: {folder.logs}")


def _asked_for(variable: str) -> bool:
    return os.environ.get(variable, "") not in {"", "0"}


async def main() -> int:
    screen, interruption = Screen(), Interruption()
    try:
        if _asked_for("DEMO_MONITORING"):
            check_programs()
        return 0 if await demo(screen, interruption, once=_asked_for("DEMO_ONCE")) else 1
    except Interrupted as error:
        screen.parting(f"Stopped by {error}.")
        return 128 + error.number
    except (DemoError, NoPortError) as error:
        screen.parting(f"The demo can't go on: {error}")
        return 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
