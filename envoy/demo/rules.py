"""The steps with requests only: hosts and paths, HTTPS, WebSockets."""

import json
import ssl

from world import World


async def hosts_and_paths(world: World) -> None:
    shop = "shop.localhost"
    probe = await world.expect(world.url(shop), "web", "Prefix / goes to web")
    world.screen.note("  An answer; each backend returns its name and the request:")
    world.screen.output(json.dumps(probe.answers[0].echo, indent=2))
    await world.expect(world.url(shop, "/api/users?page=2"), "api", "Prefix /api goes to api")
    await world.expect(world.url(shop, "/apiary"), "web", "/apiary is not under /api")
    await world.expect(world.url(shop, "/api/version"), "web", "Exact /api/version beats Prefix /api")
    await world.expect(world.url("acme.tenants.localhost"), "tenants", "*.tenants.localhost stands for one label")


async def no_rule(world: World) -> None:
    await world.expect_status(world.url("a.b.tenants.localhost"), 404, "a wildcard is not two labels")
    await world.expect_status(world.url("nowhere.localhost"), 404, "no rule names this host")


async def https(world: World) -> None:
    host = "secure.localhost"
    shown = await world.client.certificate(host, world.fleet.envoys[0].https)
    world.check(
        f"{shown.protocol}, certificate of {shown.subject} by {shown.issuer}, until {shown.expires}",
        ok=shown.subject == host and shown.issuer == "xds-ingress demo CA",
    )
    probe = await world.expect(world.url(host, scheme="https"), "api", "HTTPS ends at Envoy, verified with the CA")
    seen = {answer.echo["headers"].get("x-forwarded-proto") for answer in probe.answers}
    world.check(f"the backends saw x-forwarded-proto: {', '.join(map(str, seen))}", ok=seen == {"https"})
    await _distrust(world, host)
    redirected = await world.expect_status(world.url(host, "/cart?item=7"), 308, "plain HTTP is sent to HTTPS")
    locations = {answer.location for answer in redirected.answers}
    wanted = set(world.at_each(world.url(host, "/cart?item=7", "https")))
    world.check(f"location: {' '.join(sorted(locations))}", ok=locations == wanted)


async def _distrust(world: World, host: str) -> None:
    """Check that the client verifies certificates: for another name, the connection fails."""
    try:
        await world.client.certificate("other.localhost", world.fleet.envoys[0].https)
    except ssl.SSLError as error:
        world.check(f"no certificate for other.localhost than {host}'s: {error.reason}", ok=True)
    except ConnectionError as error:
        world.check(f"no certificate for other.localhost: {error}", ok=True)
    else:
        world.check(f"other.localhost was served with the certificate of {host}", ok=False)


async def websocket(world: World) -> None:
    url = world.url("shop.localhost", "/chat/room", "ws")
    world.screen.note(url)
    said = await world.client.say(url, "anyone there?")
    world.check(f"a WebSocket through Prefix /chat: {said!r}", ok=said == "chat-1: anyone there?")
