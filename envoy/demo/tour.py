"""The tour: steps in order, each with a time limit, and their results."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import changes
import rules
from world import World

STEP_TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Step:
    title: str
    run: Callable[[World], Awaitable[None]]


async def control_plane_state(world: World) -> None:
    table, proxies = await world.xds("proxies"), await world.proxies()
    for envoy in world.fleet.envoys:
        types = proxies.get(envoy.name, [])
        accepted = bool(types) and all(each["in_sync"] and each["rejection"] is None for each in types)
        world.check(f"{envoy.name} has accepted every response", ok=accepted and envoy.name in table)
    diff = await world.xds("snapshot", "diff")
    place = world.backends.spare.place
    named = place.address in diff and str(place.port) in diff
    world.check(f"the diff names {place}, the endpoint removed last", ok=named)


async def questions(world: World) -> None:
    explained = await world.xds("explain", "http://shop.localhost/api/users")
    world.check("xds explain names the cluster of /api/users", ok="default/api/80 answers" in explained)
    why = await world.xds("why", "ingress", "default/secure")
    world.check("xds why says that the Ingress is accepted", ok="default/secure: accepted" in why)


STEPS = (
    Step("Host and path rules (k8s/demo/shop.yaml, tenants.yaml)", rules.hosts_and_paths),
    Step("Hosts and paths without a rule", rules.no_rule),
    Step("HTTPS, with a fresh certificate (k8s/demo/secure.yaml)", rules.https),
    Step("A WebSocket", rules.websocket),
    Step("An endpoint comes and goes while requests run", changes.endpoint),
    Step("The state of the fleet, from the control plane", control_plane_state),
    Step("Why a request is answered so, and what became of an Ingress", questions),
    Step("A new Ingress, and an edited one", changes.ingress),
    Step("A mistake, and its problems", changes.mistake),
)


async def tour(world: World) -> bool:
    """Run the steps. True if every step succeeded."""
    start = time.perf_counter()
    failed = [f"{number}. {step.title}" for number, step in enumerate(STEPS, 1) if not await _take(world, number, step)]
    seconds = time.perf_counter() - start
    world.screen.heading(
        f"{len(STEPS) - len(failed)} of {len(STEPS)} steps succeeded, in {seconds:.1f} s",
        "bold red" if failed else "bold green",
    )
    for title in failed:
        world.screen.note(f"FAILED {title}")
    return not failed


async def _take(world: World, number: int, step: Step) -> bool:
    world.screen.heading(f"{number}  {step.title}")
    world.failed.clear()
    try:
        async with asyncio.timeout(STEP_TIMEOUT_SECONDS):
            await step.run(world)
    except Exception as error:  # noqa: BLE001 - the tour reports any failure and continues
        world.check(f"{type(error).__name__}: {error}", ok=False)
    return not world.failed
