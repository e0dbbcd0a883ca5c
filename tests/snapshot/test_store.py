"""The snapshot: versions by content, revisions and diffs.

Covers Resource, Store.commit, version, since, diff and history. Excludes responses to proxies (tests/protocol).
"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xds.snapshot.resource import Resource, ResourceType, resource
from xds.snapshot.store import ResourceChange, ResourceKey, Store, UnknownRevisionError, merged

CDS, EDS, SDS, LDS, RDS = (
    ResourceType.CLUSTER,
    ResourceType.ENDPOINTS,
    ResourceType.SECRET,
    ResourceType.LISTENER,
    ResourceType.ROUTES,
)


def commit(store: Store, resources: dict[ResourceKey, bytes | None]) -> tuple[ResourceChange, ...] | None:
    """Commit, and return the changes of the revision; None: no revision was made."""
    built = {key: None if body is None else resource(*key, body) for key, body in resources.items()}
    revision = store.commit(built, read_at=1.0, now=2.0)
    return revision.changes if revision else None


def names(changes: tuple[ResourceChange, ...] | None) -> list[tuple[str, str]]:
    return [(each.type.short, each.name) for each in changes or ()]


# Resource


def test_a_version_is_the_hash_of_the_content() -> None:
    """Versions must be equal after a restart and on other replicas, so the expected one is written here."""
    assert resource(CDS, "web", b"body").version == "ec2edbeabbed4a40"
    assert resource(CDS, "web", b"body") == resource(CDS, "web", b"body")
    assert resource(CDS, "web", b"body").version != resource(CDS, "web", b"body2").version


def test_the_repr_hides_the_body() -> None:
    assert "hunter2" not in repr(resource(SDS, "cert", b"hunter2"))
    store = Store()
    revision = store.commit({(SDS, "cert"): resource(SDS, "cert", b"hunter2")}, read_at=0, now=0)
    assert "hunter2" not in repr(revision)


def test_types_are_in_the_order_of_make_before_break() -> None:
    assert [each.short for each in ResourceType] == ["cds", "eds", "sds", "ecds", "lds", "rds", "vhds"]
    assert CDS.message == "envoy.config.cluster.v3.Cluster"


# commit


def test_a_new_store_is_empty() -> None:
    store = Store()
    assert (store.revision, store.history) == (0, ())
    assert store.get(CDS, "web") is None
    assert dict(store.resources(CDS)) == {}


def test_the_first_commit_makes_a_revision_even_if_empty() -> None:
    store = Store()
    assert commit(store, {}) == ()
    assert store.revision == 1
    assert commit(store, {}) is None
    assert store.revision == 1


def test_a_commit_returns_the_changes() -> None:
    store = Store()
    assert names(commit(store, {(CDS, "a"): b"1", (EDS, "a"): b"1"})) == [("cds", "a"), ("eds", "a")]
    (change,) = commit(store, {(CDS, "a"): b"2", (EDS, "a"): b"1"}) or ()
    assert change == ResourceChange(CDS, "a", resource(CDS, "a", b"1"), resource(CDS, "a", b"2"))
    (change,) = commit(store, {(CDS, "a"): None}) or ()
    assert change == ResourceChange(CDS, "a", resource(CDS, "a", b"2"), None)
    assert store.get(CDS, "a") is None
    assert store.get(EDS, "a") == resource(EDS, "a", b"1")


def test_an_equal_resource_makes_no_revision() -> None:
    store = Store()
    commit(store, {(CDS, "a"): b"1"})
    before = store.get(CDS, "a")
    assert commit(store, {(CDS, "a"): b"1", (CDS, "b"): None}) is None
    assert store.get(CDS, "a") is before


def test_equal_names_in_different_types_are_different_resources() -> None:
    store = Store()
    commit(store, {(CDS, "a"): b"1", (EDS, "a"): b"2"})
    commit(store, {(EDS, "a"): None})
    assert store.get(CDS, "a") is not None


def test_a_revision_knows_its_times() -> None:
    store = Store()
    revision = store.commit({}, read_at=3.5, now=4.5)
    assert revision is not None
    assert (revision.number, revision.read_at, revision.committed_at) == (1, 3.5, 4.5)
    assert store.history == (revision,)


# version

bodies = st.dictionaries(st.sampled_from("abcd"), st.binary(max_size=2))


def version_of(content: dict[str, bytes]) -> str:
    store = Store()
    commit(store, {(CDS, name): body for name, body in content.items()})
    return store.version(CDS)


@given(st.lists(st.dictionaries(st.sampled_from("abcd"), st.none() | st.binary(max_size=2)), max_size=6))
def test_the_version_of_a_type_does_not_depend_on_the_order_of_commits(commits: list[dict[str, bytes | None]]) -> None:
    store = Store()
    for each in commits:
        commit(store, {(CDS, name): body for name, body in each.items()})
    assert store.version(CDS) == version_of({name: each.body for name, each in store.resources(CDS).items()})


@given(bodies, bodies)
def test_different_content_has_a_different_version(one: dict[str, bytes], other: dict[str, bytes]) -> None:
    assert (version_of(one) == version_of(other)) == (one == other)


def test_the_version_of_a_type_depends_on_names() -> None:
    assert version_of({"a": b"1", "b": b"2"}) != version_of({"a": b"2", "b": b"1"})


def test_every_type_has_a_version_of_its_own() -> None:
    store = Store()
    before = store.version(EDS)
    commit(store, {(CDS, "a"): b"1"})
    assert store.version(EDS) == before
    assert store.version(CDS) != before


# diff


def history() -> Store:
    store = Store()
    commit(store, {(RDS, "r"): b"1", (CDS, "b"): b"1", (CDS, "a"): b"1"})  # 1
    commit(store, {(CDS, "a"): b"2"})  # 2
    commit(store, {(CDS, "a"): None, (LDS, "l"): b"1"})  # 3
    commit(store, {(CDS, "a"): b"1", (LDS, "l"): None})  # 4
    return store


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 1, [("cds", "a"), ("cds", "b"), ("rds", "r")]),
        (1, 2, [("cds", "a")]),
        (2, 3, [("cds", "a"), ("lds", "l")]),
        (1, 3, [("cds", "a"), ("lds", "l")]),
        (1, 4, []),
        (0, 4, [("cds", "a"), ("cds", "b"), ("rds", "r")]),
        (4, 4, []),
        (0, 0, []),
    ],
)
def test_a_diff_has_the_changes_between_revisions(start: int, end: int, expected: list[tuple[str, str]]) -> None:
    assert names(merged(history().between(start, end))) == expected


def test_a_diff_has_the_first_and_the_last_version() -> None:
    (change, _) = merged(history().between(1, 3))
    assert change == ResourceChange(CDS, "a", resource(CDS, "a", b"1"), None)


@pytest.mark.parametrize(("start", "end"), [(0, 5), (-1, 2), (3, 2), (5, 5)])
def test_a_diff_beyond_the_history_is_an_error(start: int, end: int) -> None:
    with pytest.raises(UnknownRevisionError, match="from revision 0 to 4"):
        merged(history().between(start, end))


def test_the_history_is_bounded() -> None:
    store = Store(history=2)
    for number in range(5):
        commit(store, {(CDS, "a"): bytes([number])})
    assert [each.number for each in store.history] == [4, 5]
    assert names(merged(store.between(3, 5))) == [("cds", "a")]
    with pytest.raises(UnknownRevisionError, match="from revision 3 to 5"):
        merged(store.between(2, 5))


def test_a_version_depends_on_nothing_but_the_bytes() -> None:
    assert {type_: Resource(type_, "x", b"1", "v").version for type_ in ResourceType} == dict.fromkeys(
        ResourceType, "v"
    )
    assert len({resource(type_, "x", b"1").version for type_ in ResourceType}) == 1


def test_the_history_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xds.snapshot.store.HISTORY_BYTES_LIMIT", 100)
    store = Store()
    for number in range(10):
        commit(store, {(CDS, "web"): bytes([number]) * 30})
    assert [revision.number for revision in store.history] == [10]
    commit(store, {(CDS, "other"): b"x" * 1000})
    assert [revision.number for revision in store.history] == [11], "the newest revision is kept, however large"
    with pytest.raises(UnknownRevisionError):
        merged(store.between(9, 11))


def test_since_is_the_last_change_of_a_resource() -> None:
    store = Store()
    for now, body in enumerate((b"one", b"one", b"two")):
        store.commit({(CDS, "web"): resource(CDS, "web", body)}, read_at=0, now=now)
    assert store.since(CDS, "web") == 2
    store.commit({(CDS, "api"): resource(CDS, "api", b"one"), (CDS, "web"): None}, read_at=0, now=7)
    assert (store.since(CDS, "api"), store.since(CDS, "web")) == (7, None)
