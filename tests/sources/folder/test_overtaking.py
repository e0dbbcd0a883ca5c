"""Endpoints that are told while a folder is still being read: which may be, when, and that it adds up.

Covers files that change at any point of a reading in steps. Excludes what one reading makes of the folder (test_tree),
and how soon anything is told.
"""

import shutil
import threading
from collections.abc import Collection
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.followed import Follow, endpoints, note, save, service
from xds.kube.change import Applied, Change, Deleted
from xds.kube.objects import KubeObject
from xds.sources.folder import manifests
from xds.sources.folder import source as folder
from xds.sources.folder import tree as tree_module
from xds.sources.folder.manifests import File, Identity
from xds.sources.folder.source import read_folder
from xds.sources.folder.tree import ALL, Tree
from xds.steps import Steps, finish


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is at a file that changed just now."""
    monkeypatch.setattr(tree_module, "SETTLED", 0)
    monkeypatch.setattr(tree_module, "STEP", 0)


def told(changes: Collection[Change]) -> list[str]:
    """The objects that are there now, and those that are gone."""
    applied = [each.object.metadata.name for each in changes if isinstance(each, Applied)]
    return applied + [f"-{each.key.name}" for each in changes if isinstance(each, Deleted)]


def begun(root: Path, files: dict[str, str]) -> tuple[Tree, Steps[list[Change]]]:
    """The folder holds these and other Services. Reading those that changed has begun."""
    for name, text in files.items():
        (root / name).write_text(text)
    for name in "uvw":
        (root / f"{name}.yaml").write_text(service(name))
    tree = Tree(root)
    tree.read()
    for name in "uvw":
        (root / f"{name}.yaml").write_text(service(name, 81))
    steps = tree.reading([f"{name}.yaml" for name in "uvw"])
    next(steps)
    return tree, steps


@pytest.mark.usefixtures("settled")
def test_endpoints_overtake_what_is_read(root: Path) -> None:
    tree, steps = begun(root, {"a.yaml": endpoints("a", "10.0.0.1"), "s.yaml": service("a")})
    (root / "a.yaml").write_text(endpoints("a", "10.0.0.2"))
    assert told(tree.overtake(["a.yaml"])) == ["a"]
    assert told(tree.overtake([])) == []
    assert told(finish(steps)) == ["u", "v", "w"]
    assert told(tree.read(["a.yaml"])) == []


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("named", [[], ["a.yaml"]])
@pytest.mark.parametrize(("order", "read"), [("uvwa", 1), ("auvw", 12)])
def test_endpoints_that_are_due_overtake_the_rest(root: Path, order: str, read: int, named: list[str]) -> None:
    """Be they read or not, and changed once more or not."""
    tree, steps = begun(root, {"a.yaml": endpoints("a", "10.0.0.1"), "s.yaml": service("a")})
    finish(steps)
    for name in "auvw":
        (root / f"{name}.yaml").write_text(endpoints("a", "10.0.0.2") if name == "a" else service(name, 82))
    steps = tree.reading([f"{name}.yaml" for name in order])
    for _ in range(read):
        next(steps)
    for name in named:
        (root / name).write_text(endpoints("a", "10.0.0.3"))
    assert told(tree.overtake(named)) == ["a"]
    assert told(finish(steps)) == ["u", "v", "w"]


@pytest.mark.usefixtures("settled")
def test_a_file_does_not_overtake_itself(root: Path) -> None:
    tree, steps = begun(root, {"a.yaml": endpoints("a", "10.0.0.1"), "s.yaml": service("a")})
    finish(steps)
    (root / "a.yaml").write_text(endpoints("a", "10.0.0.2"))
    steps = tree.reading(["a.yaml"])
    next(steps)
    (root / "a.yaml").write_text(endpoints("a", "10.0.0.3"))
    assert tree.overtake(["a.yaml"]) == []
    assert told(finish(steps)) == ["a"]


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param(endpoints("u", "10.0.0.1"), endpoints("u", "10.0.0.2"), id="its Service changes, too"),
        pytest.param(
            endpoints("a", "10.0.0.1") + "---\n" + endpoints("b", "10.0.0.1"),
            endpoints("a", "10.0.0.2"),
            id="one is gone",
        ),
        pytest.param(service("a"), endpoints("a", "10.0.0.2"), id="it held something else"),
        pytest.param(
            endpoints("a", "10.0.0.1"), endpoints("a", "10.0.0.2") + "---\n" + service("x"), id="it holds more"
        ),
        pytest.param(endpoints("a", "10.0.0.1"), "a: b: c\n", id="it is broken"),
        pytest.param(endpoints("a", "10.0.0.1"), endpoints("other", "10.0.0.2"), id="it is another's"),
    ],
)
def test_what_must_come_with_the_rest_waits(root: Path, before: str, after: str) -> None:
    tree, steps = begun(root, {"a.yaml": before, "other.yaml": endpoints("other", "10.0.0.1")})
    slow = Tree(root)
    slow.read()
    (root / "a.yaml").write_text(after)
    assert tree.overtake(["a.yaml"]) == []
    finish(steps)
    tree.read(["a.yaml"])
    slow.read()
    assert tree.manifests.objects() == slow.manifests.objects()


@pytest.mark.usefixtures("settled")
def test_nothing_overtakes_before_it_is_known_what_changes(root: Path) -> None:
    tree, steps = begun(root, {"a.yaml": endpoints("u", "10.0.0.1")})
    finish(steps)
    for name in "uvw":
        (root / f"{name}.yaml").write_text(service(name, 82))
    (root / "a.yaml").write_text(endpoints("u", "10.0.0.2"))
    steps = tree.reading(ALL)
    next(steps)
    assert tree.overtake(["a.yaml"]) == []
    assert told(finish(steps)) == ["u", "u", "v", "w"]


def test_a_file_that_is_being_written_does_not_overtake(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree, steps = begun(root, {"a.yaml": endpoints("a", "10.0.0.1")})
    (root / "a.yaml").write_text(endpoints("a", "10.0.0.2"))
    monkeypatch.setattr(tree_module, "STEP", 3_600_000)
    assert tree.overtake(["a.yaml"]) == []
    monkeypatch.setattr(tree_module, "STEP", 0)
    assert told(tree.overtake([])) == ["a"]
    finish(steps)


async def test_a_folder_tells_endpoints_while_it_reads(
    root: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "a.yaml").write_text(endpoints("a", "10.0.0.1"))
    follower = await follow(root)
    monkeypatch.setattr(folder, "PORTION", 0.0)
    steps = manifests.reading

    def slowly(path: str, raw: bytes, before: File | None) -> Steps[File]:
        """Until the endpoints have been told."""
        if path == "s.yaml":
            save(root / "a.yaml", endpoints("a", "10.0.0.2"))
            while not overtaken.is_set():
                yield
        return (yield from steps(path, raw, before))

    overtaken = threading.Event()
    monkeypatch.setattr(tree_module, "reading", slowly)
    save(root / "s.yaml", service("s"))
    assert told((await follower.next()).changes) == ["a"]
    overtaken.set()
    await follower.until({"s": 80})


OBJECT_NAMES, ADDRESSES = st.sampled_from("abc"), st.sampled_from(["10.0.0.1", "10.0.0.2"])
OBJECTS = st.lists(st.builds(endpoints, OBJECT_NAMES, ADDRESSES) | st.builds(service, OBJECT_NAMES), max_size=2)
ANY_FILE = st.tuples(st.sampled_from(["a.yaml", "b.yaml", "c.yaml"]), OBJECTS)
OWN_SLICE = st.builds(lambda name, address: (f"{name}.yaml", [endpoints(name, address)]), OBJECT_NAMES, ADDRESSES)
FILES = st.lists(st.one_of(OWN_SLICE, OWN_SLICE, OWN_SLICE, ANY_FILE), min_size=1, max_size=4)


@pytest.mark.usefixtures("settled")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=300)
@given(FILES, st.booleans(), st.lists(st.tuples(st.integers(1, 8), FILES), min_size=1, max_size=4))
def test_what_overtook_adds_up(
    tmp_path: Path,
    first: list[tuple[str, list[str]]],
    named: bool,
    meanwhile: list[tuple[int, list[tuple[str, list[str]]]]],
) -> None:
    """Whatever changes while a folder is read, and whenever."""
    root = tmp_path / "overtaken"
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir()
    tree, said = Tree(root), dict[Identity, KubeObject]()

    def reading() -> Steps[None]:
        note(said, (yield from tree.reading([name for name, _ in first] if named else ALL)))

    write(root, [(f"{name}.yaml", [endpoints(name, "10.0.0.1")]) for name in "abc"])
    note(said, tree.read())
    write(root, first)
    steps = reading()
    for count, files in meanwhile:
        for _ in range(count):
            next(steps, None)
        write(root, files)
        note(said, tree.overtake([name for name, _ in files]))
    finish(steps)
    note(said, tree.read())
    assert said == {(type(each), each.key): each for each in read_folder(root)[0]}


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("read", range(14))
def test_the_original_of_what_is_taken_in_does_not_overtake_it(root: Path, read: int) -> None:
    """Both hold the same slice, and the copy counts: the original may only be told before it."""
    said = dict[Identity, KubeObject]()
    copied = endpoints("a", "10.0.0.1")
    write(root, [("a.yaml", [service("u")]), ("b.yaml", [copied])])
    tree = Tree(root)
    note(said, tree.read())
    write(root, [("a.yaml", [copied])])
    steps = tree.reading(["a.yaml"])
    for _ in range(read):
        next(steps)
    write(root, [("b.yaml", [endpoints("a", "10.0.0.2")])])
    note(said, tree.overtake(["b.yaml"]))
    note(said, finish(steps))
    note(said, tree.read(["b.yaml"]))
    assert said == {(type(each), each.key): each for each in read_folder(root)[0]}


def write(root: Path, files: list[tuple[str, list[str]]]) -> None:
    for name, objects in files:
        (root / name).write_text("---\n".join(objects))
