"""A real folder, read once and followed: each way a file changes, links and mounts, what can't be read, and the end.

What is in the files hardly matters here (test_manifests). Without a clock: each test waits for what it expects to be
said, so how soon that is said is not tested.
"""

import asyncio
import os
import shutil
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from xds.kube import folder, manifests
from xds.kube import tree as tree_module
from xds.kube.change import Applied, Batch, Change, Deleted, Listed, Reported
from xds.kube.folder import Folder, _Watch, read_folder
from xds.kube.listing import Listing, list_folder
from xds.kube.manifests import File, Identity
from xds.kube.objects import KINDS, KubeObject, Service
from xds.kube.problem import Problem
from xds.kube.source import SourceError
from xds.kube.tree import ALL, Tree
from xds.steps import Steps, finish


def endpoints(name: str, *addresses: str) -> str:
    """The EndpointSlice `name` of the Service of that name."""
    return f"""apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
endpoints: [{{addresses: [{", ".join(addresses)}]}}]
"""


def service(name: str, port: object = 80) -> str:
    return f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{ports: [{{port: {port}}}]}}\n"


def save(path: Path, text: str) -> None:
    """Writes the file in one go: nobody sees half of it, however busy the machine is."""
    path.with_suffix(".tmp").write_text(text)
    path.with_suffix(".tmp").rename(path)


class Follower:
    """Adds up what a folder says."""

    def __init__(self, batches: AsyncIterator[Batch]) -> None:
        self.batches = batches
        self.objects: dict[Identity, KubeObject] = {}
        self.problems: tuple[Problem, ...] = ()

    async def next(self) -> Batch:
        async with asyncio.timeout(20):
            batch = await anext(self.batches)
        for change in batch.changes:
            match change:
                case Applied(object=each):
                    assert self.objects.get((type(each), each.key)) != each, "nothing is said twice"
                    self.objects[type(each), each.key] = each
                case Deleted(kind=kind, key=key):
                    del self.objects[kind, key]
                case Reported(problems=problems):
                    self.problems = problems
                case Listed():
                    pass
        return batch

    @property
    def ports(self) -> dict[str, int]:
        return ports(self.objects.values())

    @property
    def reasons(self) -> list[str]:
        return [problem.reason for problem in self.problems]

    async def until(self, expected: dict[str, int], *reasons: str) -> None:
        while (self.ports, self.reasons) != (expected, list(reasons)):
            await self.next()


def ports(objects: object) -> dict[str, int]:
    assert hasattr(objects, "__iter__")
    return {each.metadata.name: (each.spec.ports or ())[0].port for each in objects if isinstance(each, Service)}


Follow = Callable[[Path], Awaitable[Follower]]


@pytest.fixture
async def follow() -> AsyncIterator[Follow]:
    """Follows a folder, and has read it."""
    opened: list[AsyncGenerator[Batch, None]] = []

    async def start(path: Path) -> Follower:
        opened.append(Folder(path).batches())
        follower = Follower(opened[-1])
        await follower.next()
        return follower

    yield start
    for batches in opened:
        await batches.aclose()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "manifests"
    path.mkdir()
    return path


async def test_first_everything(root: Path) -> None:
    (root / "a.yaml").write_text(service("one") + "---\n" + service("two"))
    (root / "b.json").write_text('{"apiVersion": "v1", "kind": "Service", "metadata": {}}')
    async with aclosing(Folder(root).batches()) as batches:
        before = asyncio.get_running_loop().time()
        batch = await anext(batches)
        assert before <= batch.read_at <= asyncio.get_running_loop().time()
    applied, listed, reported = batch.changes[:2], batch.changes[2:-1], batch.changes[-1]
    assert [type(change) for change in applied] == [Applied, Applied]
    assert listed == tuple(Listed(kind) for kind in KINDS)
    assert isinstance(reported, Reported)
    assert [problem.location for problem in reported.problems] == ["b.json:1"]


async def test_an_empty_folder_is_listed_too(root: Path) -> None:
    async with aclosing(Folder(root).batches()) as batches:
        assert (await anext(batches)).changes == (*map(Listed, KINDS), Reported(()))


async def test_files_come_change_and_go(root: Path, follow: Follow) -> None:
    follower = await follow(root)
    (root / "a.yaml").write_text(service("one"))
    await follower.until({"one": 80})
    (root / "a.yaml").write_text(service("one", 81) + "---\n" + service("two"))
    await follower.until({"one": 81, "two": 80})
    (root / "b.yml").write_text(service("three"))
    await follower.until({"one": 81, "two": 80, "three": 80})
    (root / "a.yaml").unlink()
    await follower.until({"three": 80})


async def test_only_differences_are_said(root: Path, follow: Follow) -> None:
    (root / "a.yaml").write_text(service("one") + "---\n" + service("two"))
    follower = await follow(root)
    save(root / "a.yaml", "# a comment\n" + service("one") + "---\n" + service("two", 81))
    batch = await follower.next()
    assert [type(change) for change in batch.changes] == [Applied]


async def test_a_rename_says_nothing(root: Path, follow: Follow) -> None:
    (root / "a.yaml").write_text(service("one"))
    follower = await follow(root)
    (root / "a.yaml").rename(root / "b.yaml")
    save(root / "c.yaml", service("two"))
    batch = await follower.next()
    assert [type(change) for change in batch.changes] == [Applied]
    assert follower.ports == {"one": 80, "two": 80}
    (root / "b.yaml").rename(root / "b.txt")
    await follower.until({"two": 80})


async def test_an_editor_saves_by_rename(root: Path, follow: Follow) -> None:
    (root / "a.yaml").write_text(service("one"))
    follower = await follow(root)
    for port in (81, 82):
        (root / ".a.yaml.swp").write_text(service("one", port))
        (root / ".a.yaml.swp").rename(root / "a.yaml")
        await follower.until({"one": port})
    (root / "a.yaml").rename(root / "a.yaml~")  # as vim does with backupcopy=no
    (root / "a.yaml").write_text(service("one", 83))
    await follower.until({"one": 83})


async def test_folders_in_the_folder(root: Path, follow: Follow) -> None:
    follower = await follow(root)
    (root / "x" / "y").mkdir(parents=True)
    (root / "x" / "y" / "a.yaml").write_text(service("one"))
    await follower.until({"one": 80})
    (root / "x" / "y" / "a.yaml").write_text(service("one", 81))
    await follower.until({"one": 81})
    shutil.rmtree(root / "x")
    await follower.until({})


async def test_names_that_are_not_read(root: Path, follow: Follow) -> None:
    (root / ".hidden").mkdir()
    for name in (".a.yaml", "a.yaml~", "a.txt", "yaml", ".hidden/a.yaml", "#a.yaml#"):
        (root / name).write_text(service("one"))
    (root / "a.yaml").mkdir()
    assert (await follow(root)).objects == {}


def mount(root: Path, version: str, files: dict[str, str]) -> None:
    """Writes files the way the kubelet does for a ConfigMap.

    Source: https://github.com/kubernetes/kubernetes/blob/master/pkg/volume/util/atomic_writer.go
    """
    old = root / (root / "..data").readlink() if (root / "..data").is_symlink() else None
    (root / version).mkdir()
    for name, text in files.items():
        (root / version / name).write_text(text)
    (root / "..data_tmp").symlink_to(version)
    (root / "..data_tmp").rename(root / "..data")
    for name in files:
        if not (root / name).is_symlink():
            (root / name).symlink_to(f"..data/{name}")
    for path in root.iterdir():
        if not path.name.startswith("..") and path.name not in files:
            path.unlink()
    if old:
        shutil.rmtree(old)


async def test_a_config_map_mount(root: Path, follow: Follow) -> None:
    mount(root, "..2026_01", {"a.yaml": service("one"), "b.yaml": service("two")})
    follower = await follow(root)
    assert follower.ports == {"one": 80, "two": 80}
    mount(root, "..2026_02", {"a.yaml": service("one", 81), "b.yaml": service("two")})
    await follower.until({"one": 81, "two": 80})
    mount(root, "..2026_03", {"b.yaml": service("two", 82), "c.yaml": service("three")})
    await follower.until({"two": 82, "three": 80})
    mount(root, "..2026_04", {"b.yaml": "a: b: c", "c.yaml": service("three")})
    await follower.until({"two": 82, "three": 80}, "MalformedFile")


async def test_links_out_of_the_folder(root: Path, tmp_path: Path, follow: Follow) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "a.yaml").write_text(service("one"))
    (tmp_path / "b.yaml").write_text(service("two"))
    follower = await follow(root)
    (root / "linked").symlink_to(other)
    (root / "b.yaml").symlink_to(tmp_path / "b.yaml")
    await follower.until({"one": 80, "two": 80})
    (other / "a.yaml").write_text(service("one", 81))
    (other / "c.yaml").write_text(service("three"))
    await follower.until({"one": 81, "two": 80, "three": 80})
    (tmp_path / "b.yaml").write_text(service("two", 82))
    await follower.until({"one": 81, "two": 82, "three": 80})
    (tmp_path / "b.yaml").unlink()
    await follower.until({"one": 81, "three": 80}, "UnreadableFile")
    (root / "b.yaml").unlink()
    await follower.until({"one": 81, "three": 80})


async def test_links_in_circles(root: Path, follow: Follow) -> None:
    (root / "x").mkdir()
    (root / "x" / "up").symlink_to(root)
    (root / "x" / "self").symlink_to(root / "x" / "self")
    (root / "self.yaml").symlink_to("self.yaml")
    (root / "x" / "a.yaml").write_text(service("one"))
    follower = await follow(root)
    assert (follower.ports, follower.reasons) == ({"one": 80}, ["UnreadableFile"])


async def test_a_pipe_does_not_block(root: Path, follow: Follow) -> None:
    (root / "b.yaml").write_text(service("one"))
    follower = await follow(root)
    os.mkfifo(root / "a.yaml")
    await follower.until({"one": 80}, "UnreadableFile")
    (root / "a.yaml").unlink()
    await follower.until({"one": 80})


async def test_a_file_that_can_not_be_opened(root: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "a.yaml").write_text(service("one"))
    follower = await follow(root)
    contents = tree_module._contents
    with monkeypatch.context() as patch:  # root may open anything
        patch.setattr(tree_module, "_contents", refuse)
        save(root / "a.yaml", service("one", 81))
        await follower.until({"one": 80}, "UnreadableFile")
        assert "Permission denied" in follower.problems[0].message
    assert tree_module._contents is contents
    (root / "a.yaml").touch()
    await follower.until({"one": 81})


def refuse(path: Path) -> None:
    raise PermissionError(13, "Permission denied", str(path))


async def test_last_good_and_back(root: Path, follow: Follow) -> None:
    (root / "a.yaml").write_text(service("one"))
    follower = await follow(root)
    save(root / "a.yaml", "a: b: c")
    await follower.until({"one": 80}, "MalformedFile")
    save(root / "a.yaml", service("one", "http"))
    await follower.until({"one": 80}, "InvalidObject")
    (root / "a.yaml").write_text(service("one", 81))
    await follower.until({"one": 81})


async def test_duplicates_take_over(root: Path, follow: Follow) -> None:
    (root / "a.yaml").write_text(service("one", 1))
    (root / "b.yaml").write_text(service("one", 2))
    follower = await follow(root)
    assert (follower.ports, follower.reasons) == ({"one": 1}, ["DuplicateObject"])
    (root / "a.yaml").unlink()
    await follower.until({"one": 2})
    (root / "a.yaml").write_text(service("one", 3))
    await follower.until({"one": 3}, "DuplicateObject")


async def test_names_of_any_bytes(root: Path, follow: Follow) -> None:
    follower = await follow(root)
    (root / os.fsdecode(b"\xff\n'\".yaml")).write_text(service("one"))
    await follower.until({"one": 80})
    (root / "b.yaml").write_text(service("two"))
    await follower.until({"one": 80, "two": 80})
    (root / ("x" * 250 + ".yaml")).write_text("text")
    await follower.until({"one": 80, "two": 80}, "NotAnObject")


async def test_the_folder_goes_and_returns(root: Path, tmp_path: Path, follow: Follow) -> None:
    (root / "a.yaml").write_text(service("one"))
    follower = await follow(root)
    root.rename(tmp_path / "away")  # noqa: ASYNC240 -- there is nothing else in this loop
    await follower.until({"one": 80}, "UnreadableFolder")
    (tmp_path / "away").rename(root)
    await follower.until({"one": 80})
    (root / "a.yaml").write_text(service("one", 81))
    await follower.until({"one": 81})


async def test_another_folder_in_its_place(root: Path, tmp_path: Path, follow: Follow) -> None:
    (tmp_path / "current").symlink_to(root)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "a.yaml").write_text(service("new"))
    follower = await follow(tmp_path / "current")
    (tmp_path / "link").symlink_to(tmp_path / "new")
    (tmp_path / "link").rename(tmp_path / "current")
    await follower.until({"new": 80})
    (tmp_path / "new" / "a.yaml").write_text(service("new", 81))
    await follower.until({"new": 81})


async def test_a_watch_that_breaks_is_made_again(root: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the kernel has no watches left: https://man7.org/linux/man-pages/man7/inotify.7.html."""
    follower = await follow(root)
    with monkeypatch.context() as patch:
        patch.setattr(folder, "RustNotify", no_watch)
        (root / os.fsdecode(b"\xff")).mkdir()  # a name that breaks the watch
        (root / "a.yaml").write_text(service("one"))
        await follower.until({"one": 80})
        (root / "a.yaml").write_text(service("one", 81))
        await follower.until({"one": 81})
    (root / "a.yaml").write_text(service("one", 82))
    await follower.until({"one": 82})


def no_watch(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


async def test_no_watch_at_the_start(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "RustNotify", no_watch)
    with pytest.raises(SourceError, match=r"fs\.inotify"):
        await anext(Folder(root).batches())


@pytest.mark.parametrize("name", ["missing", "file", "\0"])
async def test_no_folder_at_the_start(root: Path, name: str) -> None:
    (root / "file").touch()
    with pytest.raises(SourceError) as error:
        await anext(Folder(root / name).batches())
    assert "\n" not in str(error.value)
    with pytest.raises(SourceError):
        read_folder(root / name)


async def test_cancellation_leaves_nothing_behind(root: Path) -> None:
    async def run() -> None:
        async for _ in Folder(root).batches():
            started.set()

    started, watches = asyncio.Event(), open_watches()
    task = asyncio.create_task(run())
    await started.wait()
    assert open_watches() == watches + 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == {asyncio.current_task()}
    while open_watches() != watches:
        await asyncio.sleep(0)


def open_watches() -> int:
    found = 0
    for path in Path("/proc/self/fd").iterdir():
        try:
            found += "inotify" in str(path.readlink())
        except FileNotFoundError:  # the one that lists them
            continue
    return found


async def test_it_waits_for_no_one_elses_threads(root: Path) -> None:
    go_on, executor = threading.Event(), ThreadPoolExecutor(1)
    asyncio.get_running_loop().set_default_executor(executor)
    blocked = asyncio.ensure_future(asyncio.to_thread(go_on.wait, 20))
    try:
        async with aclosing(Folder(root).batches()) as batches:
            follower = Follower(batches)
            await follower.next()
            save(root / "a.yaml", service("one"))
            await follower.until({"one": 80})
        assert not blocked.done()
    finally:
        go_on.set()
        await blocked


async def test_cancelled_while_it_reads(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "a.yaml").write_text(service("one"))
    reading, go_on, read = threading.Event(), threading.Event(), threading.Event()

    def slowly(tree: Tree, *_: object) -> None:
        reading.set()
        go_on.wait(20)
        read.set()

    monkeypatch.setattr(folder, "_begin", slowly)
    task = asyncio.ensure_future(anext(Folder(root).batches()))
    await asyncio.to_thread(reading.wait, 20)
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert read.is_set()


def test_only_changed_files_are_read_again(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    contents = tree_module._contents

    def note(path: Path) -> tuple[bytes, os.stat_result]:
        read.append(path.name)
        return contents(path)

    monkeypatch.setattr(tree_module, "_contents", note)
    monkeypatch.setattr(tree_module, "SETTLED", 0)
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


async def test_a_change_of_a_file_looks_at_no_other(
    root: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "x").mkdir()
    for name in ("a", "b", "x/c"):
        (root / f"{name}.yaml").write_text(service(name[-1]))
    follower = await follow(root)
    monkeypatch.setattr(tree_module, "list_folder", refuse)
    monkeypatch.setattr(folder, "RESCAN", 3_600_000)
    save(root / "x" / "c.yaml", service("c", 81))
    await follower.until({"a": 80, "b": 80, "c": 81})
    (root / "b.yaml").unlink()
    await follower.until({"a": 80, "c": 81})
    (root / "x" / "c.yaml").rename(root / "b.yaml")
    save(root / "a.yaml", service("a", "http"))
    await follower.until({"a": 80, "c": 81}, "InvalidObject")


async def test_all_names_of_a_file_are_followed(root: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel tells the name by which a file was changed, not its others."""
    (root / "a.yaml").write_text(service("one"))
    (root / "b.yml").hardlink_to(root / "a.yaml")
    follower = await follow(root)
    monkeypatch.setattr(folder, "RESCAN", 3_600_000)
    (root / "b.yml").write_text(service("two"))
    await follower.until({"two": 80}, "DuplicateObject")


async def test_more_than_can_be_believed(root: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch) -> None:
    follower = await follow(root)
    monkeypatch.setattr(folder, "FEW", 1)
    listed = threading.Event()

    def note(path: Path) -> Steps[Listing]:
        listed.set()
        return list_folder(path)

    monkeypatch.setattr(tree_module, "list_folder", note)
    monkeypatch.setattr(folder, "RESCAN", 3_600_000)
    (root / "a.yaml").write_text(service("one"))
    (root / "b.yaml").write_text(service("two"))
    await follower.until({"one": 80, "two": 80})
    assert listed.is_set()


async def test_what_the_kernel_does_not_name_is_found(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder, "RESCAN", 1)
    tree, watch = Tree(root), _Watch(Tree(root))
    watch.start()
    watch.stop()
    assert watch.wait() == ALL
    watch.close()
    (root / "a.yaml").write_text(service("one"))
    tree.read([])
    assert ports(tree.manifests.objects()) == {}
    tree.read(ALL)
    assert ports(tree.manifests.objects()) == {"one": 80}


@pytest.mark.parametrize("names", [ALL, ["a.yaml"]])
def test_changes_within_one_tick_of_the_clock(root: Path, names: Collection[str]) -> None:
    """Same size, same inode, and (on a kernel with coarse stamps) the same time."""
    tree, path = Tree(root), root / "a.yaml"
    for port in range(10, 99):
        path.write_text(service("one", port))
        os.utime(path, (1, 1))
        tree.read(names)
        assert ports(tree.manifests.objects()) == {"one": port}


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


def test_a_folder_below_that_can_not_be_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
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


def test_read_folder(root: Path) -> None:
    (root / "b.yaml").write_text(service("two"))
    (root / "a.yaml").write_text(service("one") + "---\ntext\n")
    objects, problems = read_folder(root)
    assert [each.metadata.name for each in objects] == ["one", "two"]
    assert [problem.location for problem in problems] == ["a.yaml:5"]
    assert read_folder(str(root))[0] == objects


NAMES = st.sampled_from(["a.yaml", "b.yaml", "x/a.yaml", "x/b.yml", "x"])
WRITES = st.tuples(
    st.just("write"), NAMES, st.lists(st.tuples(st.sampled_from("abc"), st.integers(10, 12)), max_size=3)
)
MOVES = st.tuples(st.sampled_from(["rename", "link"]), NAMES, NAMES)
REMOVALS = st.tuples(st.just("remove"), NAMES, st.none())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(WRITES | MOVES | REMOVALS, max_size=12))
def test_what_was_followed_is_what_there_is(tmp_path: Path, steps: list[tuple[str, str, object]]) -> None:
    """After any sequence of changes, what was said adds up to what is read afresh."""
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
        objects, problems = read_folder(root)
        for how, tree in trees.items():
            changes = tree.read(ALL if how == "all" else [name for name in step[1:] if isinstance(name, str)])
            note(said[how], changes)
            for each in changes:
                if isinstance(each, Reported):
                    reported[how] = each.problems
            assert tree.manifests.objects() == objects
            assert reported[how] == tree.problems == problems
            assert said[how] == {(type(each), each.key): each for each in objects}


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


def note(said: dict[Identity, KubeObject], changes: Collection[Change]) -> None:
    for each in changes:
        if isinstance(each, Applied):
            said[type(each.object), each.object.key] = each.object
        elif isinstance(each, Deleted):
            del said[each.kind, each.key]


def write(root: Path, files: list[tuple[str, list[str]]]) -> None:
    for name, objects in files:
        (root / name).write_text("---\n".join(objects))


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
