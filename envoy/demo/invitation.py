"""What to try while all is up."""

import shlex
from collections.abc import Iterator

from processes import shown
from world import World


def invite(world: World) -> None:
    screen = world.screen
    screen.heading("All of it stays up. Things to try:")
    for title, lines in _suggestions(world):
        screen.note(title)
        for line in lines:
            screen.command(line)
    screen.heading("Ctrl-C stops everything and removes the folder.")


def _suggestions(world: World) -> Iterator[tuple[str, list[str]]]:
    shop, secure = world.url("shop.localhost", "/api/hello"), world.url("secure.localhost", scheme="https")
    manifests, logs = shlex.quote(str(world.folder.manifests)), shlex.quote(str(world.folder.logs))
    slices = f"{manifests}/endpoints-web.yaml"
    yield "Ask, by name or with a browser; requests go to one of the Envoys:", [world.curl(shop), world.curl(secure)]
    yield (
        "Edit a manifest, and see who answers then (or take web-1 out of its EndpointSlice, as here):",
        [f"ls {manifests}", f"sed -i '/# web-1$/d' {slices}", f"for i in 1 2 3 4; do {_who(world)}; done"],
    )
    yield (
        "Look at what the fleet should have, what each Envoy has, and what could not be honoured:",
        [
            shown(world.xds_command(*words.split()))
            for words in ("snapshot show", "snapshot diff", "snapshot watch", "proxies", "problems")
        ],
    )
    yield (
        "Each Envoy's own account:",
        [f"curl {envoy.admin}/clusters  # or /config_dump, /listeners, /stats" for envoy in world.fleet.envoys],
    )
    yield "Logs, and what each Envoy answered:", [f"tail -f {logs}/*.log"]


def _who(world: World) -> str:
    return f"{world.curl(world.url('shop.localhost')).replace('curl', 'curl -s', 1)} && echo"
