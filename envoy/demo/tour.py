"""The tour: its steps in order, each in its own time, and what became of them."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import changes
import rules
from world import World

PATIENCE = 60.0
"""Seconds for a step."""


@dataclass(frozen=True, slots=True)
class Step:
    title: str
    run: Callable[[World], Awaitable[None]]


async def what_the_control_plane_knows(world: World) -> None:
    table, proxies = await world.xds("proxies"), await world.proxies()
    for envoy in world.fleet.envoys:
        types = proxies.get(envoy.name, [])
        accepted = bool(types) and all(each["in_sync"] and each["rejection"] is None for each in types)
        world.check(f"{envoy.name} has accepted all that it was sent", ok=accepted and envoy.name in table)
    diff = await world.xds("snapshot", "diff")
    place = world.backends.spare.place
    world.check(f"the difference names {place.address}, which was removed last", ok=place.address in diff)


STEPS = (
    Step("Host and path rules (k8s/demo/shop.yaml, tenants.yaml)", rules.hosts_and_paths),
    Step("What no rule names", rules.no_rule),
    Step("HTTPS, with a certificate made on the spot (k8s/demo/secure.yaml)", rules.https),
    Step("A WebSocket", rules.websocket),
    Step("An endpoint comes and goes while requests run", changes.endpoint),
    Step("What the control plane knows of it", what_the_control_plane_knows),
    Step("An Ingress added, and one edited", changes.ingress),
    Step("A mistake, and where to read of it", changes.mistake),
)


async def tour(world: World) -> bool:
    """True if every step did what it should."""
    start = time.perf_counter()
    failed = [f"{number}. {step.title}" for number, step in enumerate(STEPS, 1) if not await _take(world, number, step)]
    seconds = time.perf_counter() - start
    world.screen.heading(
        f"{len(STEPS) - len(failed)} of {len(STEPS)} steps did what they should, in {seconds:.1f} s",
        "bold red" if failed else "bold green",
    )
    for title in failed:
        world.screen.note(f"FAILED {title}")
    return not failed


async def _take(world: World, number: int, step: Step) -> bool:
    world.screen.heading(f"{number}  {step.title}")
    world.failed.clear()
    try:
        async with asyncio.timeout(PATIENCE):
            await step.run(world)
    except Exception as error:  # noqa: BLE001 - however a step fails, the tour goes on and says so
        world.check(f"{type(error).__name__}: {error}", ok=False)
    return not world.failed
