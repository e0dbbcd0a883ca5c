"""The proxies and their types: a matrix, and the rejections with the objects behind them."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from xds.api.v1 import debug_pb2 as pb
from xds.problems.reasons import Reason
from xds.snapshot.resource import ResourceType
from xds.ui import words
from xds.ui.page import Page, Query, list_page
from xds.ui.visit import Visit

PAGE_SIZE: Final = 100

STATES: Final = {
    "in_sync": "in sync",
    "not_in_sync": "not in sync",
    "stuck": "stuck",
    "rejecting": "rejecting",
}

MAX_REJECTED_NAMES: Final = 20
"""Names shown for a rejection, at most."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A rejection that still matters.

    Attributes:
        proxies: The node ids of the proxies with this message about these names.
        names: The first of the names.
        more: The number of further names.
        objects: The objects behind the names, as the problems say.
    """

    type: pb.ProxyType
    proxies: tuple[str, ...]
    names: tuple[str, ...]
    more: int
    objects: tuple[pb.ObjectReference, ...]


async def show(visit: Visit) -> Page:
    query = visit.query
    listed = await visit.answers.list_proxies(pb.ListProxiesRequest(all_replicas=query["replicas"] == "all"))
    problems: Sequence[pb.Problem] = ()
    if any(type_.rejected_resources for proxy in listed.proxies for type_ in proxy.types):
        problems = (await visit.answers.list_problems(pb.ListProblemsRequest())).problems
    return Page("proxies.html", "Proxies", lambda: view(query, listed, problems, visit.listen), "Proxies")


def view(
    query: Query, listed: pb.ListProxiesResponse, problems: Sequence[pb.Problem], listen: str
) -> Mapping[str, Any]:
    chosen = [each for each in listed.proxies if matches(query, each)]
    shown = list_page(query.number("page"), len(chosen), PAGE_SIZE)
    proxies = chosen[shown.start : shown.start + PAGE_SIZE]
    return {
        "query": query,
        "listed": listed,
        "proxies": proxies,
        "list_page": shown,
        "columns": columns(proxies),
        "cells": [cells(each) for each in proxies],
        "rejections": rejections(chosen, problems),
        "states": STATES,
        "listen": listen,
        "kept": {name: query[name] for name in ("q", "state", "replicas")},
    }


def matches(query: Query, proxy: pb.Proxy) -> bool:
    text = f"{proxy.node_id} {proxy.node_cluster} {proxy.user_agent} {proxy.peer} {proxy.replica}".lower()
    return query["q"].lower() in text and (query["state"] not in STATES or state_of(proxy, query["state"]))


def state_of(proxy: pb.Proxy, state: str) -> bool:
    """Whether a proxy is in a state of the filter."""
    in_sync = all(each.in_sync for each in proxy.types) and bool(proxy.types)
    match state:
        case "in_sync":
            return in_sync
        case "not_in_sync":
            return not in_sync
        case "stuck":
            return bool(proxy.stuck)
        case _:
            return any(each.rejected_resources for each in proxy.types)


def columns(proxies: Iterable[pb.Proxy]) -> list[str]:
    """The types that any of the proxies has, in the order in which an update reaches a proxy."""
    found = {each.type_url for proxy in proxies for each in proxy.types}
    known = [each.value for each in ResourceType if each.value in found]
    return known + sorted(found.difference(known))


def cells(proxy: pb.Proxy) -> dict[str, pb.ProxyType]:
    return {each.type_url: each for each in proxy.types}


def rejections(proxies: Iterable[pb.Proxy], problems: Sequence[pb.Problem]) -> list[Rejected]:
    """Current rejections; proxies with the same message about the same names share one."""
    found: dict[tuple[str, str, tuple[str, ...]], tuple[pb.ProxyType, list[str]]] = {}
    for proxy in proxies:
        for type_ in proxy.types:
            if type_.rejected_resources:
                key = (type_.type_url, type_.rejection.message, tuple(type_.rejected_names))
                found.setdefault(key, (type_, []))[1].append(proxy.node_id)
    return [
        Rejected(
            type_,
            tuple(nodes),
            tuple(type_.rejected_names[:MAX_REJECTED_NAMES]),
            max(len(type_.rejected_names) - MAX_REJECTED_NAMES, 0),
            _objects(type_, problems),
        )
        for type_, nodes in found.values()
    ]


def _objects(type_: pb.ProxyType, problems: Sequence[pb.Problem]) -> tuple[pb.ObjectReference, ...]:
    """The objects whose problems name a rejected resource."""
    named = [f"{words.kind(type_.type_url)} {name}" for name in type_.rejected_names[:MAX_REJECTED_NAMES]]
    return tuple(
        each.object
        for each in problems
        if each.reason == Reason.REJECTED_BY_PROXY and any(name in each.message for name in named)
    )
