"""A real folder, read once and followed: changes of files, links, mounts, unreadable files, and cancellation.

Excludes the contents of files (test_manifests), the choice of files to read again (test_tree), and delays: each test
waits for the expected changes.
"""

import asyncio
import os
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing
from pathlib import Path

import pytest

from tests.support.followed import Follow, Follower, refuse, save, service
from tests.support.waiting import WAIT_LIMIT_SECONDS
from xds.kube.change import Applied, Deleted, Listed, Reported
from xds.kube.gateway_objects import HTTPRoute, Namespace
from xds.kube.kinds import KINDS
from xds.kube.source import SourceError
from xds.problems.problem import Key
from xds.sources.folder import source as source_module
from xds.sources.folder import tree as tree_module
from xds.sources.folder import watcher as watcher_module
from xds.sources.folder.source import Folder, read_tree
from xds.sources.folder.tree import Tree


async def test_the_first_batch_has_all_objects_kinds_and_problems(root: Path) -> None:
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


async def test_kinds_of_the_gateway_api_are_read_and_their_definitions_left_out(root: Path) -> None:
    definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: gateways.x}\n"
    route = "apiVersion: gateway.networking.k8s.io/v1beta1\nkind: HTTPRoute\nmetadata: {name: web, namespace: shop}\n"
    namespace = "apiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {team: shop}}\n"
    (root / "a.yaml").write_text("---\n".join((definition, route, namespace)))
    async with aclosing(Folder(root).batches()) as batches:
        changes = (await anext(batches)).changes
    applied = {type(each.object): each.object for each in changes if isinstance(each, Applied)}
    assert applied.keys() == {HTTPRoute, Namespace}
    assert applied[HTTPRoute].key == Key("shop", "web")
    assert applied[Namespace].metadata.labels == {"team": "shop"}
    assert changes[-1] == Reported(())


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


async def test_only_changed_objects_are_delivered(root: Path, follow: Follow) -> None:
    (root / "a.yaml").write_text(service("one") + "---\n" + service("two"))
    follower = await follow(root)
    save(root / "a.yaml", "# a comment\n" + service("one") + "---\n" + service("two", 81))
    batch = await follower.next()
    assert [type(change) for change in batch.changes] == [Applied]


async def test_a_renamed_file_delivers_nothing(root: Path, follow: Follow) -> None:
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
    (root / "b.yaml").write_text(service("two"))
    await follower.until({"one": 81, "two": 80})
    shutil.rmtree(root / "x")
    await follower.until({"two": 80})


async def test_hidden_and_foreign_names_are_not_read(root: Path, follow: Follow) -> None:
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


async def test_an_unreadable_file_is_reported_and_keeps_objects(
    root: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "a.yaml").write_text(service("one"))
    follower = await follow(root)
    contents = tree_module.contents
    with monkeypatch.context() as patch:  # root may open anything
        patch.setattr(tree_module, "contents", refuse)
        save(root / "a.yaml", service("one", 81))
        await follower.until({"one": 80}, "UnreadableFile")
        assert "Permission denied" in follower.problems[0].message
    assert tree_module.contents is contents
    (root / "a.yaml").touch()
    await follower.until({"one": 81})


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


async def test_a_replaced_folder_is_followed(root: Path, tmp_path: Path, follow: Follow) -> None:
    (tmp_path / "current").symlink_to(root)
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "a.yaml").write_text(service("new"))
    follower = await follow(tmp_path / "current")
    (tmp_path / "link").symlink_to(tmp_path / "new")
    (tmp_path / "link").rename(tmp_path / "current")
    await follower.until({"new": 80})
    (tmp_path / "new" / "a.yaml").write_text(service("new", 81))
    await follower.until({"new": 81})


async def test_a_broken_watch_is_restarted(root: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the kernel has no watches left: https://man7.org/linux/man-pages/man7/inotify.7.html."""
    monkeypatch.setattr(watcher_module, "RESCAN_SECONDS", 0.2)
    follower = await follow(root)
    with monkeypatch.context() as patch:
        patch.setattr(watcher_module, "RustNotify", no_watch)
        (root / os.fsdecode(b"\xff")).mkdir()  # a name that breaks the watch
        (root / "a.yaml").write_text(service("one"))
        await follower.until({"one": 80}, "FolderNotWatched")
        (root / "a.yaml").write_text(service("one", 81))
        await follower.until({"one": 81}, "FolderNotWatched")
    (root / "a.yaml").write_text(service("one", 82))
    await follower.until({"one": 82})


def no_watch(*_: object, **__: object) -> None:
    raise OSError(28, "No space left on device")


async def test_a_missing_watch_at_the_start_is_a_problem(
    root: Path, follow: Follow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watcher_module, "RESCAN_SECONDS", 0.2)
    with monkeypatch.context() as patch:
        patch.setattr(watcher_module, "RustNotify", no_watch)
        follower = await follow(root)
        assert follower.reasons == ["FolderNotWatched"]
        assert "No space left on device" in follower.problems[0].message
        (root / "a.yaml").write_text(service("one"))
        await follower.until({"one": 80}, "FolderNotWatched")
    (root / "a.yaml").write_text(service("one", 81))
    await follower.until({"one": 81})


@pytest.mark.parametrize("limit", ["instances=0", "watches=0", "watches=1"])
def test_a_kernel_without_inotify_is_one_problem_and_no_busy_loop(root: Path, limit: str) -> None:
    """In a user namespace with a limit of its own."""
    name, _, number = limit.partition("=")
    (root / "sub").mkdir()
    (root / "sub" / "a.yaml").write_text(service("one"))
    command = f"echo {number} > /proc/sys/user/max_inotify_{name} && exec {sys.executable} -c '{LIMITED}' {root}"
    done = subprocess.run(["unshare", "-Ur", "sh", "-c", command], check=False, capture_output=True, text=True)
    if "unshare" in done.stderr:
        pytest.skip("needs a user namespace: `sysctl kernel.unprivileged_userns_clone=1`")
    assert done.stdout.split() == ["FolderNotWatched", "81", "FolderNotWatched", "few"], done.stderr


LIMITED = """
import asyncio, sys
from pathlib import Path
from tests.support.followed import Follower, save, service
from xds.sources.folder import watcher
from xds.sources.folder.source import Folder
from xds.sources.folder.tree import Tree

watcher.RESCAN_SECONDS = 1.0
reads = 0
read = Tree.read

def counted(*arguments):
    global reads
    reads += 1
    return read(*arguments)

Tree.read = counted

async def main():
    follower = Follower(Folder(sys.argv[1]).batches())
    await follower.next()
    print(*follower.reasons)
    save(Path(sys.argv[1]) / "sub" / "a.yaml", service("one", 81))
    await follower.until({"one": 81}, "FolderNotWatched")
    print(follower.ports["one"], *follower.reasons)
    print("few" if reads < 10 else reads)

asyncio.run(main())
"""


# A folder that loses all objects


def unmount(root: Path) -> None:
    """Put an empty folder, the mount point, in place of the folder."""
    root.rename(root.with_suffix(".away"))
    root.mkdir()


def mount_again(root: Path) -> None:
    root.rmdir()
    root.with_suffix(".away").rename(root)


async def test_an_empty_folder_in_place_of_a_full_one_holds_all_objects(root: Path, follow: Follow) -> None:
    (root / "a.yaml").write_text(service("one") + "---\n" + service("two"))
    follower = await follow(root)
    unmount(root)
    await follower.until({"one": 80, "two": 80}, "WithdrawalHeld")
    save(root / "b.yaml", service("two", 81))
    await follower.until({"two": 81})


async def test_objects_held_for_an_empty_folder_stay_without_a_change_when_the_folder_returns(
    root: Path, follow: Follow
) -> None:
    (root / "a.yaml").write_text(service("one"))
    follower = await follow(root)
    unmount(root)
    await follower.until({"one": 80}, "WithdrawalHeld")
    mount_again(root)
    while follower.problems:
        batch = await follower.next()
        assert not any(isinstance(change, Deleted) for change in batch.changes)
    assert follower.ports == {"one": 80}


async def test_a_folder_is_current_once_read_until_it_is_emptied(root: Path) -> None:
    (root / "a.yaml").write_text(service("one"))
    source = Folder(root)
    assert not source.is_current()
    async with aclosing(source.batches()) as batches:
        async with asyncio.timeout(WAIT_LIMIT_SECONDS):
            await anext(batches)
            assert source.is_current()
            unmount(root)
            await anext(batches)
            assert not source.is_current()
            mount_again(root)
            while not source.is_current():
                await anext(batches)


async def test_files_without_objects_hold_too(root: Path, follow: Follow) -> None:
    (root / "a.yaml").write_text(service("one"))
    follower = await follow(root)
    save(root / "a.yaml", "")
    await follower.until({"one": 80}, "WithdrawalHeld")
    (root / "a.yaml").unlink()
    save(root / "b.yaml", service("two"))
    await follower.until({"two": 80})


async def test_a_folder_that_is_empty_at_the_start_holds_nothing(root: Path, follow: Follow) -> None:
    follower = await follow(root)
    assert (follower.ports, follower.reasons) == ({}, [])
    (root / "a.yaml").write_text(service("one"))
    await follower.until({"one": 80})


@pytest.mark.parametrize("name", ["missing", "file", "\0"])
async def test_a_missing_folder_at_the_start_is_a_source_error(root: Path, name: str) -> None:
    (root / "file").touch()
    with pytest.raises(SourceError) as error:
        await anext(Folder(root / name).batches())
    assert "\n" not in str(error.value)
    with pytest.raises(SourceError):
        read_tree(root / name)


async def test_cancellation_leaves_no_task_or_watch(root: Path) -> None:
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
        except FileNotFoundError:  # the descriptor of the listing itself
            continue
    return found


async def test_a_folder_is_read_while_the_default_executor_is_busy(root: Path) -> None:
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


async def test_cancellation_waits_for_the_reading_thread(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "a.yaml").write_text(service("one"))
    reading, go_on, read = threading.Event(), threading.Event(), threading.Event()

    def slowly(tree: Tree, *_: object) -> None:
        reading.set()
        go_on.wait(20)
        read.set()

    monkeypatch.setattr(source_module, "_begin", slowly)
    task = asyncio.ensure_future(anext(Folder(root).batches()))
    await asyncio.to_thread(reading.wait, 20)
    task.cancel()
    go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert read.is_set()


def test_a_folder_is_read_once(root: Path) -> None:
    (root / "b.yaml").write_text(service("two"))
    (root / "a.yaml").write_text(service("one") + "---\ntext\n")
    tree = read_tree(root)
    assert [each.metadata.name for each in tree.manifests.objects()] == ["one", "two"]
    assert [problem.location for problem in tree.problems] == ["a.yaml:5"]
    assert read_tree(str(root)).manifests.objects() == tree.manifests.objects()
