"""The steps that change manifests and watch the fleet follow."""

import shlex
import time
from collections.abc import Callable

from backends import Place
from envoys import Question, has_endpoint, has_route, lacks_endpoint, lacks_route
from folder import LATER, REPOSITORY, endpoint_slices
from load import Load
from world import World

CLUSTER = "default/web/80"
FILE = "endpoints-web.yaml"


async def endpoint(world: World) -> None:
    """Add and remove an endpoint under load. The backend runs before the push and until requests end, like a pod."""
    spare, url = world.backends.spare, world.url("shop.localhost")
    name = spare.place.name
    world.screen.note(f"Requests for {url} run in the background, half of them on new connections.")
    start = time.perf_counter()
    async with Load(world.at_each(url), "web", world.folder.authority) as load:
        await load.answers(100)
        await spare.start()
        await _rewrite(world, spare.place, present=True)
        await load.answers(200)
        world.check(f"{name} has answered {load.answered[name]} requests", ok=load.answered[name] > 0)
        await _rewrite(world, spare.place, present=False)
        await load.answers(20)  # those that were under way
        last = load.answered[name]
        await spare.stop()
        await load.answers(200)
    _account(world, load, time.perf_counter() - start, load.answered[name] - last)


async def _rewrite(world: World, place: Place, *, present: bool) -> None:
    """Add the place to the Service's EndpointSlice or remove it, and print the time for each Envoy."""
    text = endpoint_slices("web", world.backends.places("web", spare=present))
    world.screen.note(f"{'+' if present else '-'} {place} ({place.name}) in {_manifest(world, FILE)}")
    question = (has_endpoint if present else lacks_endpoint)(CLUSTER, str(place))
    took = await world.fleet.time(lambda: world.folder.write(FILE, text), question)
    world.check(f"{place.name} {'added' if present else 'removed'}: {_by_envoy(took)}", ok=True)


def _account(world: World, load: Load, seconds: float, late: int) -> None:
    name = world.backends.spare.place.name
    world.check(f"{name} was stopped afterwards, and got {late} requests after its removal", ok=late == 0)
    by_backend = ", ".join(f"{each} {count}" for each, count in sorted(load.answered.items()))
    failed = load.failures.total()
    world.check(f"{load.sent} requests in {seconds:.1f} s, {failed} failed ({by_backend})", ok=failed == 0)
    for failure, count in load.failures.most_common(5):
        world.screen.output(f"{count} x {failure}")


async def ingress(world: World) -> None:
    added = LATER / "default-backend.yaml"
    world.screen.command(f"cp {added.relative_to(REPOSITORY)} {_manifest(world, '')}")
    await _follow(world, "a default backend", lambda: _add(world, added.name), has_route('"default/fallback/80"'))
    await world.expect(world.url("nowhere.localhost"), "fallback", "the former 404 goes to the default backend")
    world.screen.command(f"sed -i.bak 's#path: /chat#path: /talk#' {_manifest(world, 'shop.yaml')}")
    await _follow(world, "/chat renamed to /talk", lambda: _rename(world), has_route('"/talk"'))
    await world.expect(world.url("shop.localhost", "/talk"), "chat", "the new path goes to chat")
    await world.expect(world.url("shop.localhost", "/chat"), "web", "the old path goes to Prefix /")


def _rename(world: World) -> None:
    text = (world.folder.manifests / "shop.yaml").read_text(encoding="utf-8")
    world.folder.write("shop.yaml", text.replace("path: /chat", "path: /talk"))


async def mistake(world: World) -> None:
    added, host = LATER / "mistake.yaml", "mistake.localhost"
    world.screen.command(f"cp {added.relative_to(REPOSITORY)} {_manifest(world, '')}")
    await _follow(world, "an Ingress with two mistakes", lambda: _add(world, added.name), has_route(f'"{host}"'))
    await world.expect(world.url(host, "/good"), "web", "the correct path is served")
    await world.expect_status(world.url(host, "/typo"), 503, "the Service of this path does not exist")
    await world.expect(world.url(host, "/docs/page"), "fallback", "the path '/docs/*' is compared letter by letter")
    problems, lint = await world.xds("problems"), await world.lint()
    for word in ("default/mistake", "wbe", "/docs/*"):
        world.check(f"xds problems and xds lint mention {word}", ok=word in problems and word in lint)
    why = await world.xds("why", "ingress", "default/mistake")
    world.check("xds why tells the served part from the broken one", ok=" served" in why and " broken" in why)
    explained = await world.xds("explain", f"http://{host}/typo")
    world.check("xds explain names the cause of the 503", ok="503" in explained and "wbe" in explained)
    world.screen.command(f"rm {_manifest(world, added.name)}")
    await _follow(world, "taken away", lambda: world.folder.remove(added.name), lacks_route(f'"{host}"'))
    problems = await world.xds("problems")
    world.check("xds problems no longer mentions the mistake", ok="mistake" not in problems)


async def _follow(world: World, what: str, change: Callable[[], None], question: Question) -> None:
    took = await world.fleet.time(change, question)
    world.check(f"{what}: {_by_envoy(took)}", ok=True)


def _add(world: World, name: str) -> None:
    world.folder.write(name, (LATER / name).read_text(encoding="utf-8"))


def _manifest(world: World, name: str) -> str:
    return shlex.quote(f"{world.folder.manifests}/{name}")


def _by_envoy(milliseconds: dict[str, float]) -> str:
    return ", ".join(f"{name} after {took:.0f} ms" for name, took in milliseconds.items())
