"""A large change as several small stages, so that urgent changes can go in between."""

from collections.abc import Collection, Mapping
from itertools import chain
from typing import Final, TypeAlias

from xds.snapshot.resource import Resource, ResourceType
from xds.snapshot.store import ResourceKey
from xds.steps import Steps

Stage: TypeAlias = dict[ResourceKey, Resource | None]

STAGE_SIZE: Final = 250
"""Resources of a stage: committing them and updating a stream takes some milliseconds."""

_TOGETHER: Final = frozenset({ResourceType.SECRET, ResourceType.LISTENER, ResourceType.ROUTES})

_TURNS: Final = 8  # four groups of additions, then the same groups of removals in reverse order
_WILDCARD: Final = 3


def stages(changes: Mapping[ResourceKey, Resource | None], clusters: Collection[str], size: int) -> Steps[list[Stage]]:
    """Split a change so that a request between two stages is answered as before or after the whole change.

    Clusters come before and go after the virtual hosts that name them; hosts come before and go after the wildcards
    that cover them. The change stays whole, in a single stage, where parts must change at once: an HTTPS host
    with its listener, a new protocol of a cluster with its endpoints.

    Args:
        changes: The differences from the snapshot; None: the resource is to be removed.
        clusters: Names of the clusters in the snapshot.
        size: The most resources of a stage.

    Returns:
        At least one stage, which may be empty.
    """
    if len(changes) <= size:
        return [dict(changes)]
    turns: list[list[tuple[ResourceKey, Resource | None]]] = [[] for _ in range(_TURNS)]
    for (type_, name), resource in changes.items():
        changes_cluster = type_ is ResourceType.CLUSTER and resource is not None and name in clusters
        if type_ in _TOGETHER or changes_cluster:
            return [dict(changes)]
        turn = _turn(type_, name)
        turns[turn if resource is not None else _TURNS - 1 - turn].append(((type_, name), resource))
        yield
    for wildcards, come in ((turns[_WILDCARD], True), (turns[_TURNS - 1 - _WILDCARD], False)):
        wildcards.sort(key=lambda each: len(each[0][1]), reverse=come)  # a host is covered by its longest wildcard
    ordered = list(chain.from_iterable(turns))
    found: list[Stage] = []
    for start in range(0, len(ordered), size):
        found.append(dict(ordered[start : start + size]))
        yield
    return found


def _turn(type_: ResourceType, name: str) -> int:
    if type_ is ResourceType.VIRTUAL_HOST:
        return _WILDCARD if "/*" in name else 2
    return 1 if type_ is ResourceType.CLUSTER else 0
