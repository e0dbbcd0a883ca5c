"""A folder that is read again: which files are opened, and that all changes together add up to a fresh reading.

Covers names from inotify, and changes without a name. Excludes the ways in which files change (test_source).
"""

import os
import shutil
import threading
from collections.abc import Collection
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.followed import Follow, note, ports, refuse, save, service
from xds.kube.change import Reported
from xds.kube.objects import KubeObject
from xds.problems.problem import Problem
from xds.sources.folder import tree as tree_module
from xds.sources.folder import watcher as watcher_module
from xds.sources.folder.listing import Listing, list_folder
from xds.sources.folder.manifests import Identity
from xds.sources.folder.source import read_tree
from xds.sources.folder.tree import WHOLE_FOLDER, StoppedError, Tree
from xds.sources.folder.watcher import FolderWatcher


def test_only_changed_files_are_read_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    contents = tree_module.contents

    def note(path: Path) -> tuple[bytes, os.stat_result]:
        read.append(path.name)
        return contents(path)

    monkeypatch.setattr(tree_module, "contents", note)
    monkeypatch.setattr(tree_module, "RACY_NANOSECONDS", -1)
    for name in ("a", "b", "c"):
        (root / f"{name}.yaml").write_text(service(name))
    tree = Tree(root)
    tree.read()
    assert read == ["a.yaml", "b.yaml", "c.yaml"]
    (root / "b.yaml").write_text(service("b", 81))
    tree.read()
    assert read[3:] == ["b.yaml"]
    (root / "c.yaml").rename(root / "d.yaml")
    tree.read()
    assert read[4:] == ["d.yaml"]


async def test_a_named_change_lists_no_folder(root: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "x").mkdir()
    for name in ("a", "b", "x/c"):
        (root / f"{name}.yaml").write_text(service(name[-1]))
    follower = await follow(root)
    monkeypatch.setattr(tree_module, "list_folder", refuse)
    monkeypatch.setattr(watcher_module, "RESCAN_SECONDS", 3600)
    save(root / "x" / "c.yaml", service("c", 81))
    await follower.until({"a": 80, "b": 80, "c": 81})
    (root / "b.yaml").unlink()
    await follower.until({"a": 80, "c": 81})
    (root / "x" / "c.yaml").rename(root / "b.yaml")
    save(root / "a.yaml", service("a", "http"))
    await follower.until({"a": 80, "c": 81}, "InvalidObject")


async def test_a_hard_link_is_followed_under_both_names(
    root: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel sends an event for the name in use only."""
    (root / "a.yaml").write_text(service("one"))
    (root / "b.yml").hardlink_to(root / "a.yaml")
    follower = await follow(root)
    monkeypatch.setattr(watcher_module, "RESCAN_SECONDS", 3600)
    (root / "b.yml").write_text(service("two"))
    await follower.until({"two": 80}, "DuplicateObject")


async def test_a_large_burst_lists_the_folder(root: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch) -> None:
    follower = await follow(root)
    monkeypatch.setattr(watcher_module, "MAX_TRUSTED_NAMES", 1)
    listed = threading.Event()

    def note(path: Path) -> Listing:
        listed.set()
        return list_folder(path)

    monkeypatch.setattr(tree_module, "list_folder", note)
    monkeypatch.setattr(watcher_module, "RESCAN_SECONDS", 3600)
    (root / "a.yaml").write_text(service("one"))
    (root / "b.yaml").write_text(service("two"))
    await follower.until({"one": 80, "two": 80})
    assert listed.is_set()


async def test_a_rescan_finds_changes_without_event(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher_module, "RESCAN_SECONDS", 0)
    tree, watch = Tree(root), FolderWatcher(Tree(root))
    watch.start()
    watch.stop()
    assert watch.wait() == WHOLE_FOLDER
    watch.close()
    (root / "a.yaml").write_text(service("one"))
    tree.read([])
    assert ports(tree.manifests.objects()) == {}
    tree.read(WHOLE_FOLDER)
    assert ports(tree.manifests.objects()) == {"one": 80}


def test_a_stopped_tree_opens_no_further_file(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a", "b"):
        (root / f"{name}.yaml").write_text(service(name))
    tree, contents = Tree(root), tree_module.contents
    opened: list[str] = []

    def stop(path: Path) -> tuple[bytes, os.stat_result]:
        opened.append(path.name)
        tree.stop()
        return contents(path)

    monkeypatch.setattr(tree_module, "contents", stop)
    with pytest.raises(StoppedError):
        tree.read()
    assert opened == ["a.yaml"]


@pytest.mark.parametrize("names", [WHOLE_FOLDER, ["a.yaml"]])
def test_changes_with_equal_time_stamps_are_read(root: Path, names: Collection[str]) -> None:
    """Same size, same inode, and (on a kernel with coarse stamps) the same time."""
    tree, path = Tree(root), root / "a.yaml"
    for port in range(10, 99):
        path.write_text(service("one", port))
        os.utime(path, (1, 1))
        tree.read(names)
        assert ports(tree.manifests.objects()) == {"one": port}


def test_an_unreadable_subfolder_keeps_objects(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "x").mkdir()
    (root / "x" / "a.yaml").write_text(service("one"))
    (root / "xb.yaml").write_text(service("two"))
    tree = Tree(root)
    tree.read()
    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: refuse(path) if path == root / "x" else scandir(path))
    (root / "xb.yaml").unlink()
    tree.read()
    assert ports(tree.manifests.objects()) == {"one": 80}
    assert [(problem.reason, problem.location) for problem in tree.problems] == [("UnreadableFolder", "x")]


NAMES = st.sampled_from(["a.yaml", "b.yaml", "x/a.yaml", "x/b.yml", "x"])
WRITES = st.tuples(
    st.just("write"), NAMES, st.lists(st.tuples(st.sampled_from("abc"), st.integers(10, 12)), max_size=3)
)
MOVES = st.tuples(st.sampled_from(["rename", "link"]), NAMES, NAMES)
REMOVALS = st.tuples(st.just("remove"), NAMES, st.none())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(st.lists(WRITES | MOVES | REMOVALS, max_size=12))
def test_changes_of_any_sequence_add_up_to_a_fresh_reading(
    tmp_path: Path, steps: list[tuple[str, str, object]]
) -> None:
    root = tmp_path / "followed"
    shutil.rmtree(root, ignore_errors=True)
    (root / "x").mkdir(parents=True)
    trees = {"all": Tree(root), "named": Tree(root)}
    said: dict[str, dict[Identity, KubeObject]] = {how: {} for how in trees}
    reported: dict[str, tuple[Problem, ...]] = dict.fromkeys(trees, ())
    for tree in trees.values():
        tree.read()
    for step in steps:
        change(root, *step)
        once = read_tree(root)
        objects, problems = once.manifests.objects(), once.problems
        for how, tree in trees.items():
            changes = tree.read(WHOLE_FOLDER if how == "all" else [name for name in step[1:] if isinstance(name, str)])
            note(said[how], changes)
            for each in changes:
                if isinstance(each, Reported):
                    reported[how] = each.problems
            assert tree.manifests.objects() == objects
            assert reported[how] == tree.problems == problems
            assert said[how] == {(type(each), each.key): each for each in objects}


def change(root: Path, what: str, name: str, argument: object) -> None:
    path = root / name
    try:
        if isinstance(argument, list):
            path.write_text("---\n".join(service(name, port) for name, port in argument))
        elif isinstance(argument, str):
            path.rename(root / argument) if what == "rename" else path.symlink_to(root / argument)
        else:
            path.unlink()
    except OSError:  # not every change can be made everywhere
        pass
