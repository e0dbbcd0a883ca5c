"""Suggestions for the user after the tour."""

import shlex
from collections.abc import Iterator

from processes import shown
from world import World


def invite(world: World) -> None:
    screen = world.screen
    screen.heading("The demo stays up. Things to try:")
    for title, lines in _suggestions(world):
        screen.note(title)
        for line in lines:
            screen.command(line)
    screen.heading("Ctrl-C stops everything and removes the folder.")


def _suggestions(world: World) -> Iterator[tuple[str, list[str]]]:
    shop, secure = world.url("shop.localhost", "/api/hello"), world.url("secure.localhost", scheme="https")
    manifests, logs = shlex.quote(str(world.folder.manifests)), shlex.quote(str(world.folder.logs))
    slices = f"{manifests}/endpoints-web.yaml"
    who = "one of the Envoys answers" if len(world.ports.planes) == 1 else "the first and the second Envoy answer"
    asked = [*world.at_each(shop), *world.at_each(secure)]
    yield f"Send requests, or use a browser; {who}:", [world.curl(url) for url in asked]
    yield f"Look at the control plane's page: {world.page}", []
    yield (
        "Edit a manifest and watch the answers change; here, web-1 leaves its EndpointSlice:",
        [f"ls {manifests}", f"sed -i.bak '/# web-1$/d' {slices}", f"for i in 1 2 3 4; do {_ask_web(world)}; done"],
    )
    yield (
        "Show the resources for the fleet, the state of each Envoy, and problems:",
        [
            shown(world.xds_command(*words.split()))
            for words in ("snapshot show", "snapshot diff", "snapshot watch", "proxies", "problems")
        ],
    )
    yield (
        "Ask why a request is answered so and what became of an Ingress, and check the manifests without a server:",
        [
            shown(world.xds_command("explain", "http://shop.localhost/api/hello")),
            shown(world.xds_command("why", "ingress", "default/shop")),
            shown(world.lint_command()),
        ],
    )
    yield (
        "Ask each Envoy's admin interface:",
        [f"curl {envoy.admin}/clusters  # or /config_dump, /listeners, /stats" for envoy in world.fleet.envoys],
    )
    yield "Follow the logs, and the access log of each Envoy:", [f"tail -f {logs}/*.log"]


def _ask_web(world: World) -> str:
    return f"{world.curl(world.url('shop.localhost')).replace('curl', 'curl -s', 1)} && echo"
