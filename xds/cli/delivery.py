"""The part that `xds explain` and `xds why` share: problems, and the delivery of resources to the connected proxies."""

from typing import Any, Final, TypeAlias

from rich.text import Text
from rich.tree import Tree

from xds.api.v1 import debug_pb2 as pb
from xds.cli.output import object_name
from xds.cli.text import printable
from xds.server.debug.brief import short_type

Response: TypeAlias = pb.ExplainResponse | pb.WhyIngressResponse | pb.WhyObjectResponse

_STATE_TEXTS: Final = {
    pb.DELIVERY_STATE_SYNCED: "in sync",
    pb.DELIVERY_STATE_IN_FLIGHT: "in flight, without an ACK yet",
    pb.DELIVERY_STATE_PENDING: "not sent yet",
    pb.DELIVERY_STATE_REJECTED: "rejected",
    pb.DELIVERY_STATE_NOT_SUBSCRIBED: "not subscribed yet",
    pb.DELIVERY_STATE_ON_TRIAL: "on trial: other proxies of its build rejected it",
}

_STATE_VALUES: Final = {
    pb.DELIVERY_STATE_SYNCED: "current",
    pb.DELIVERY_STATE_IN_FLIGHT: "in flight",
    pb.DELIVERY_STATE_PENDING: "waiting",
    pb.DELIVERY_STATE_REJECTED: "rejected",
    pb.DELIVERY_STATE_NOT_SUBSCRIBED: "not asked",
    pb.DELIVERY_STATE_ON_TRIAL: "on trial",
}
"""Values in JSON. Scripts depend on them."""


def problem_text(problem: pb.Problem, age: str = "") -> Text:
    """Object, field and message of a problem, with the remedy on the second line. An empty `age` is unknown."""
    place = " ".join(part for part in (object_name(problem.object), problem.field, problem.location) if part)
    since = f" (for {age})" if age else ""
    return Text.assemble(
        printable(f"{place}: {problem.reason}: {problem.message}{since}"), "\n", (problem.remedy, "green")
    )


def add_proxies(tree: Tree, response: Response) -> None:
    """Add the number of proxies in sync, the resources that count, and for other proxies the resources out of sync."""
    if response.pending:
        text = "changes are pending that the snapshot doesn't have yet: ask again in a moment"
        tree.add(Text(text, "yellow"))
    in_sync = sum(proxy.in_sync for proxy in response.proxies)
    branch = tree.add(Text.assemble(("proxies: ", "bold"), f"{in_sync} of {len(response.proxies)} in sync"))
    resources = (f"{short_type(each.type_url)} {each.name} {each.version}" for each in response.resources)
    branch.add(Text(", ".join(resources), "dim"))
    for proxy in response.proxies:
        for missing in proxy.out_of_sync:
            message = f": {missing.message}" if missing.message else ""
            text = f"{short_type(missing.type_url)} {missing.name} {_STATE_TEXTS.get(missing.state, '?')}{message}"
            branch.add(Text(printable(f"{proxy.node_id or '(no name yet)'} @{proxy.peer}: {text}"), "yellow"))


def delivery_data(response: Response) -> dict[str, Any]:
    resources = [{"type": each.type_url, "name": each.name, "version": each.version} for each in response.resources]
    proxies = [_proxy_data(proxy) for proxy in response.proxies]
    return {"resources": resources, "proxies": proxies, "pending": response.pending}


def _proxy_data(proxy: pb.ProxyDelivery) -> dict[str, Any]:
    lacks = [
        {
            "type": missing.type_url,
            "name": missing.name,
            "standing": _STATE_VALUES.get(missing.state, "unspecified"),
            "message": missing.message,
        }
        for missing in proxy.out_of_sync
    ]
    return {"node_id": proxy.node_id, "peer": proxy.peer, "current": proxy.in_sync, "lacks": lacks}
