"""What answers to "why" have in common: problems in a tree, and which proxies have what it takes."""

from typing import Any, Final, TypeAlias

from rich.text import Text
from rich.tree import Tree

from xds.api.v1 import debug_pb2 as pb
from xds.cli.output import named, short, shown

Told: TypeAlias = pb.ExplainResponse | pb.WhyIngressResponse

STANDINGS: Final = {
    pb.STANDING_CURRENT: "current",
    pb.STANDING_IN_FLIGHT: "sent, and not answered yet",
    pb.STANDING_WAITING: "not sent yet",
    pb.STANDING_REJECTED: "rejected",
    pb.STANDING_NOT_ASKED: "not asked for yet",
}


def problem_text(problem: pb.Problem, since: str = "") -> Text:
    where = " ".join(each for each in (named(problem.object), problem.field, problem.location) if each)
    ago = f" (for {since})" if since else ""
    return Text.assemble(shown(f"{where}: {problem.reason}: {problem.message}{ago}"), "\n", (problem.remedy, "green"))


def add_proxies(tree: Tree, told: Told) -> None:
    """How many have it all, what it is, and of the others what they lack."""
    if told.pending:
        tree.add(
            Text("changes are being worked on that the snapshot doesn't have yet: ask again in a moment", "yellow")
        )
    current = sum(proxy.current for proxy in told.proxies)
    branch = tree.add(Text.assemble(("proxies: ", "bold"), f"{current} of {len(told.proxies)} have what it takes"))
    branch.add(Text(", ".join(f"{short(each.type_url)} {each.name} {each.version}" for each in told.resources), "dim"))
    for proxy in told.proxies:
        for lack in proxy.lacks:
            why = f": {lack.message}" if lack.message else ""
            text = f"{short(lack.type_url)} {lack.name} {STANDINGS.get(lack.standing, '?')}{why}"
            branch.add(Text(shown(f"{proxy.node_id or '(no name yet)'} @{proxy.peer}: {text}"), "yellow"))


def standing_data(told: Told) -> dict[str, Any]:
    listed = [{"type": each.type_url, "name": each.name, "version": each.version} for each in told.resources]
    return {"resources": listed, "proxies": [_proxy_data(proxy) for proxy in told.proxies], "pending": told.pending}


def _proxy_data(proxy: pb.ProxyStanding) -> dict[str, Any]:
    lacks = [
        {
            "type": lack.type_url,
            "name": lack.name,
            "standing": word(pb.Standing.Name(lack.standing)),
            "message": lack.message,
        }
        for lack in proxy.lacks
    ]
    return {"node_id": proxy.node_id, "peer": proxy.peer, "current": proxy.current, "lacks": lacks}


def word(name: str) -> str:
    """Of an enum's value, e.g. `in flight` of `STANDING_IN_FLIGHT`."""
    return name.partition("_")[2].lower().replace("_", " ")
