"""The overview: whether everything is served, and where to look if not."""

from collections.abc import Mapping
from typing import Any, Final

from xds.api.v1 import debug_pb2 as pb
from xds.ui.page import Page
from xds.ui.text import plural
from xds.ui.visit import Visit
from xds.ui.words import State

WORST: Final = 8
"""Ingresses on the overview, at most."""


async def show(visit: Visit) -> Page:
    status = await visit.answers.get_status(pb.GetStatusRequest())
    worst: list[pb.IngressSummary] = []
    if status.HasField("snapshot"):
        asked = pb.ListIngressesRequest(order=pb.INGRESS_ORDER_WORST, page_size=WORST)
        listed = await visit.costly.list_ingresses(asked)
        worst = [each for each in listed.ingresses if _needs_attention(each)]
    return Page("overview.html", "Overview", lambda: view(status, worst, visit.listen), "Overview")


def view(status: pb.GetStatusResponse, worst: list[pb.IngressSummary], listen: str) -> Mapping[str, Any]:
    counts, proxies = status.ingresses, status.proxies
    return {
        "headline": headline(status),
        "worst": worst,
        "listen": listen,
        "ours": ours(counts),
        "gateways": gateways(status.gateways),
        "bar": bar(counts),
        "ingress_states": (
            (State("ok", "accepted"), counts.accepted, "accepted"),
            (State("warn", "partly accepted"), counts.partly_accepted, "partly_accepted"),
            (State("bad", "not served"), counts.not_served, "not_served"),
            (State("warn", "without endpoints"), counts.without_endpoints, "no_endpoints"),
            (State("none", "of other controllers"), counts.not_ours, "not_ours"),
        ),
        "gateway_states": (
            (State("ok", "accepted"), status.gateways.accepted, "accepted"),
            (State("warn", "partly accepted"), status.gateways.partly_accepted, "partly_accepted"),
            (State("bad", "not served"), status.gateways.not_served, "not_served"),
        ),
        "proxy_states": (
            (State("ok", "in sync"), proxies.in_sync, "in_sync"),
            (State("wait", "not in sync"), proxies.connected - proxies.in_sync, "not_in_sync"),
            (State("bad", "stuck"), proxies.stuck, "stuck"),
            (State("bad", "rejecting"), proxies.rejecting, "rejecting"),
        ),
    }


def ours(counts: pb.IngressCounts) -> int:
    return counts.accepted + counts.partly_accepted + counts.not_served


def gateways(counts: pb.GatewayCounts) -> int:
    return counts.accepted + counts.partly_accepted + counts.not_served


def headline(status: pb.GetStatusResponse) -> State:  # noqa: PLR0911  # a table of states
    """The worst state in a sentence."""
    counts, proxies, total = status.ingresses, status.proxies, ours(status.ingresses)
    if not status.HasField("snapshot"):
        return State("wait", "The source is still being read.")
    if not status.source.current:
        return State("bad", "The source is out of reach. The objects that were read last stay in use.")
    if faulty := counts.partly_accepted + counts.not_served:
        are = "is" if faulty == 1 else "are"
        return State("bad", f"{faulty:,} of {plural(total, 'Ingress', 'Ingresses')} {are} not served as written.")
    if wrong := _gateway_fault(status.gateways):
        return State("bad", wrong)
    served = _served(total, gateways(status.gateways))
    if not served:
        return State("none", "No Ingress yet.")
    if not proxies.connected:
        return State("warn", "Ready, and no proxy is connected.")
    if late := proxies.connected - proxies.in_sync:
        return State("wait", f"{late:,} of {plural(proxies.connected, 'proxy', 'proxies')} not in sync.")
    return State("ok", f"{served} served by {plural(proxies.connected, 'proxy', 'proxies')}.")


def _gateway_fault(counts: pb.GatewayCounts) -> str:
    """A sentence about Gateways, else about routes, that are not served as written; empty: there are none."""
    faulty, of = counts.partly_accepted + counts.not_served, plural(gateways(counts), "Gateway")
    if not faulty:
        faulty, of = counts.faulty_routes, f"{plural(counts.routes, 'route')} of Gateways"
    return f"{faulty:,} of {of} {'is' if faulty == 1 else 'are'} not served as written." if faulty else ""


def _served(ingresses: int, gateways: int) -> str:
    """The beginning of a sentence; empty: there is nothing to serve."""
    if ingresses and gateways:
        return f"{plural(ingresses, 'Ingress', 'Ingresses')} and {plural(gateways, 'Gateway')} are"
    total, one, many = (ingresses, "Ingress", "Ingresses") if ingresses else (gateways, "Gateway", "Gateways")
    if not total:
        return ""
    return f"The {one} is" if total == 1 else f"All {total:,} {many} are"


def bar(counts: pb.IngressCounts) -> list[tuple[str, float, float]]:
    """The share of each state: mark, left edge and width, in percent."""
    total, begin, parts = ours(counts), 0.0, []
    for mark, count in (("ok", counts.accepted), ("warn", counts.partly_accepted), ("bad", counts.not_served)):
        if count:
            width = 100 * count / total
            parts.append((mark, round(begin, 2), round(width, 2)))
            begin += width
    return parts


def _needs_attention(ingress: pb.IngressSummary) -> bool:
    faulty = ingress.acceptance != pb.ACCEPTANCE_ACCEPTED
    return bool(faulty or ingress.errors or ingress.warnings or ingress.units_without_endpoints)
