"""A change in stages: after every stage the snapshot names no missing resource.

Covers order, sizes, and changes that stay whole. Excludes commits between stages (tests/controlplane/test_pipeline.py).
"""

import itertools
from collections.abc import Collection

import pytest

from xds.snapshot.resource import ResourceType, resource
from xds.snapshot.stages import Stage
from xds.snapshot.stages import stages as staged
from xds.snapshot.store import ResourceKey
from xds.steps import finish

CDS, EDS, VHDS = ResourceType.CLUSTER, ResourceType.ENDPOINTS, ResourceType.VIRTUAL_HOST
HOST, DEEP, WILDCARD, ANY = "http/a.example.com", "http/*.a.example.com", "http/*.example.com", "http/*"


def some(*keys: ResourceKey, there: bool = True) -> Stage:
    return {key: resource(*key, b"") if there else None for key in keys}


def stages(changes: Stage, size: int, clusters: Collection[str] = ("old",)) -> list[Stage]:
    return finish(staged(changes, clusters, size))


def test_needed_resources_are_added_first_and_removed_last() -> None:
    new = some((VHDS, ANY), (VHDS, WILDCARD), (VHDS, HOST), (CDS, "new"), (EDS, "new"))
    old = some((VHDS, "http/*.test"), (VHDS, "http/b.test"), (CDS, "old"), (EDS, "old"), there=False)
    each = [next(iter(stage.items())) for stage in stages({**old, **new}, 1)]
    assert [key for key, _ in each] == [
        (EDS, "new"),
        (CDS, "new"),
        (VHDS, HOST),
        (VHDS, WILDCARD),
        (VHDS, ANY),
        (VHDS, "http/*.test"),
        (VHDS, "http/b.test"),
        (CDS, "old"),
        (EDS, "old"),
    ]
    assert dict(each) == {**old, **new}


def test_a_wildcard_is_added_after_its_hosts_and_removed_before_them() -> None:
    names = (ANY, WILDCARD, DEEP, HOST)
    for order in itertools.permutations(names):
        come = stages(some(*((VHDS, name) for name in order)), 1)
        go = stages(some(*((VHDS, name) for name in order), there=False), 1)
        assert [name for stage in come for _, name in stage] == [HOST, DEEP, WILDCARD, ANY]
        assert [name for stage in go for _, name in stage] == [ANY, WILDCARD, DEEP, HOST]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8])
def test_every_stage_but_the_last_has_the_given_size(size: int) -> None:
    changes = some(*((VHDS, f"http/{number}.example.com") for number in range(7)))
    found = stages(changes, size)
    assert [len(stage) for stage in found[:-1]] == [size] * (len(found) - 1)
    assert 0 < len(found[-1]) <= size
    assert {key: each for stage in found for key, each in stage.items()} == changes


@pytest.mark.parametrize("type_", [ResourceType.LISTENER, ResourceType.SECRET, ResourceType.ROUTES])
def test_hosts_change_at_once_with_their_listener(type_: ResourceType) -> None:
    changes = some((type_, "x"), (VHDS, HOST), (CDS, "web"))
    assert stages(changes, 1) == [changes]


def test_a_cluster_changes_at_once_with_its_endpoints() -> None:
    changes = some((EDS, "web"), (VHDS, HOST), (CDS, "web"))
    assert stages(changes, 1, clusters=["web"]) == [changes]


def test_an_empty_change_is_one_stage() -> None:
    assert stages({}, 1) == [{}]
