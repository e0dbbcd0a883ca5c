"""The replicas side by side."""

from collections.abc import Mapping, Sequence
from typing import Any

from xds.api.v1 import debug_pb2 as pb
from xds.snapshot.resource import ResourceType
from xds.ui.page import Page
from xds.ui.visit import Visit


async def show(visit: Visit) -> Page:
    found = await visit.answers.list_replicas(pb.ListReplicasRequest())
    return Page("replicas.html", "Replicas", lambda: view(found.replicas), "Replicas")


def view(replicas: Sequence[pb.Replica]) -> Mapping[str, Any]:
    return {"replicas": replicas, "types_of_replicas": version_rows(replicas), "programs": _differ(_programs(replicas))}


def version_rows(replicas: Sequence[pb.Replica]) -> list[tuple[str, list[pb.TypeVersion | None], bool]]:
    """A row for each type: the version in each replica, None without an answer, and whether the versions differ."""
    known = [
        {each.type_url: each for each in replica.status.snapshot.types} if replica.HasField("status") else None
        for replica in replicas
    ]
    found = {type_ for each in known if each is not None for type_ in each}
    order = [each.value for each in ResourceType if each.value in found]
    rows = []
    for type_ in (*order, *sorted(found.difference(order))):
        cells = [each.get(type_) if each is not None else None for each in known]
        rows.append((type_, cells, _differ([each.version for each in cells if each is not None])))
    return rows


def _programs(replicas: Sequence[pb.Replica]) -> list[str]:
    return [each.status.version for each in replicas if each.HasField("status")]


def _differ(values: Sequence[str]) -> bool:
    return len(set(values)) > 1
