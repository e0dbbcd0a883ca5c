"""A folder of Kubernetes manifests as a source: read once, then followed.

The kernel says where something may have changed (inotify, through watchfiles); what changed is found by comparing
files' stat with what it was when they were read. So no event's meaning matters, and how an editor saves, or a
ConfigMap mount swaps its `..data` link, makes no difference. A change costs what the files that the kernel names cost;
all are compared where names don't tell all (directories, links), and now and then.
"""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

from watchfiles._rust_notify import RustNotify  # as in https://watchfiles.helpmanual.io/api/rust_backend/

from xds.kube.change import Applied, Batch, Change, Listed, Reported
from xds.kube.objects import KINDS, KubeObject
from xds.kube.source import SourceError
from xds.problems.problem import ObjectRef, Problem
from xds.sources.folder.listing import identity
from xds.sources.folder.tree import ALL, STEP, Tree

# Milliseconds. A burst is read once nothing has changed for a STEP, or when it has gone on for BURST; what the kernel
# doesn't tell (a link's target outside the folder, the folder itself replaced) is looked for every POLL. Network file
# systems tell nothing, and a burst can overflow the kernel's queue (inotify(7)), so all is compared every RESCAN.
BURST, POLL, RESCAN = 100, 100, 10_000

FEW = 100
"""Names of one burst that are believed to be all. A busier one may have gone past watchfiles, which drops what comes
between its copying and its clearing a set (https://github.com/samuelcolvin/watchfiles/blob/main/src/lib.rs)."""

PORTION = 0.01
"""Seconds that are read at a time before a look at what changed meanwhile."""

GLANCE = 1
"""Milliseconds that such a look takes."""

T = TypeVar("T")
Target: TypeAlias = tuple[tuple[int, int] | None, tuple[tuple[str, tuple[int, int]], ...]]


def read_folder(path: str | Path) -> tuple[list[KubeObject], tuple[Problem, ...]]:
    """Everything in the folder, read once.

    Raises:
        SourceError: there is no such folder.
    """
    tree = _read_once(path)
    return tree.manifests.objects(), tree.problems


def locate(path: str | Path) -> Mapping[ObjectRef, str]:
    """Where in the folder each object is that counts: `FILE:LINE`.

    Raises:
        SourceError: there is no such folder.
    """
    return _read_once(path).manifests.locations()


def _read_once(path: str | Path) -> Tree:
    root = Path(path)
    _check(root)
    tree = Tree(root)
    tree.read()
    return tree


def _check(root: Path) -> None:
    try:
        next(root.iterdir(), None)
    except FileNotFoundError:
        raise SourceError(f"{root}: there is no such folder; create it, or name another") from None
    except NotADirectoryError:
        raise SourceError(f"{root}: is not a folder; name the folder that holds the manifests") from None
    except (OSError, ValueError) as error:
        raise SourceError(f"{root}: can't be read ({error}); make it readable, or name another folder") from None


class FolderWatcher:
    """The kernel's word on what in the folder may have changed. Blocks; for one thread at a time."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._root = tree.root.absolute()  # as the kernel's names begin
        self._stop = threading.Event()
        self._notify: RustNotify | None = None
        self._watched: Target | None = None
        self._glanced: set[str] = set()
        self._many: set[str] = set()

    def start(self) -> None:
        """Watches the folder and the folders that links in it lead to.

        Raises:
            OSError, RuntimeError, ValueError: there is nothing to watch, or the kernel refuses.
        """
        self.close()
        self._watched = self._target()
        self._notify = RustNotify(
            [str(self._root / path) for path in ("", *self._tree.listing.linked)],
            debug=False,
            force_polling=False,
            poll_delay_ms=POLL,
            recursive=True,
            ignore_permission_denied=True,
        )

    def wait(self) -> Collection[str]:
        """Waits for a change, POLL milliseconds at most; names what may have changed, from the folder."""
        if self._notify is None or self._target() != self._watched:
            return ALL if self._restart() else ()
        paths, self._glanced = self._glanced, set()
        try:
            found = self._notify.watch(BURST, STEP, STEP if paths else POLL, self._stop)
        except RuntimeError:  # a name that isn't UTF-8, say; the watch is of no use any more
            self.close()
            return ALL
        if self._tree.age() > RESCAN / 1000 or self._tree.moved():
            return ALL
        paths |= set() if isinstance(found, str) else {path for _, path in found}
        if len(paths) <= FEW and all(map(self._is_inside, paths)):
            return self._names(paths)
        self._many = paths
        return ALL

    def glance(self) -> Collection[str]:
        """Names what changed just now, as `wait` will again, and what it didn't name as there was too much. It hardly
        waits, so who changed it may be at it still.
        """
        if self._notify is None:
            return ()
        try:
            found = self._notify.watch(GLANCE, GLANCE, GLANCE, self._stop)
        except RuntimeError:
            self.close()
            return ()
        paths = set() if isinstance(found, str) else {path for _, path in found}
        self._glanced |= paths
        many, self._many = self._many, set()
        return self._names(filter(self._is_inside, paths | many))

    def _is_inside(self, path: str) -> bool:
        return path.startswith(f"{self._root}/")

    def _names(self, paths: Iterable[str]) -> Collection[str]:
        return [path.removeprefix(f"{self._root}/") for path in paths]

    def stop(self) -> None:
        """Ends `wait`, now and for ever. From any thread."""
        self._stop.set()

    def close(self) -> None:
        notify, self._notify = self._notify, None
        if notify is not None:
            notify.close()

    def _target(self) -> Target:
        return identity(self._tree.root), tuple(self._tree.listing.linked.items())

    def _restart(self) -> bool:
        """Without a watch (the folder is gone, say) tries again every POLL, and reads what there is to read."""
        before = self._watched
        try:
            self.start()
        except (OSError, RuntimeError, ValueError):
            self._stop.wait(POLL / 1000)
            return self._watched != before or identity(self._tree.root) is not None
        self._stop.wait(STEP / 1000)  # as after an event: who changed it may be at it still
        return True


class _Portions:
    """Reads in portions, so that endpoints needn't wait for the end. Blocks; for one thread at a time."""

    def __init__(self, tree: Tree, watch: FolderWatcher, names: Collection[str]) -> None:
        self.done = False
        self._tree = tree
        self._watch = watch
        self._steps = tree.reading(names)

    def next(self) -> list[Change]:
        """What there is to say after a while: endpoints that overtook the rest; at the end the rest."""
        until = time.monotonic() + PORTION
        try:
            next(self._steps)
            while time.monotonic() < until:
                next(self._steps)
        except StopIteration as end:
            self.done = True
            changes: list[Change] = end.value
            return changes
        return self._tree.overtake(self._watch.glance())


class Folder:
    """The source behind `--from DIR`."""

    def __init__(self, path: str | Path) -> None:
        self._tree = Tree(Path(path))
        self._listed = False

    def waiting_for(self) -> str:
        """As `Source` has it."""
        return "" if self._listed else f"the folder {self._tree.root}"

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """First all there is, then what changes, for ever; to be called once.

        Cancellation, like closing the generator, ends the watch and waits for the thread that reads: for a step of
        the watch, or for the files it is at.

        Raises:
            SourceError: at the start, the folder can't be read or watched. Later that is a reported problem.
        """
        watch = FolderWatcher(self._tree)
        executor = ThreadPoolExecutor(1, "folder")  # of its own: asyncio's may be full of others' work
        run = partial(_in_thread, executor, watch)
        clock = asyncio.get_running_loop().time
        read_at = clock()
        try:
            first = Batch(await run(partial(_begin, self._tree, watch)), read_at)
            self._listed = True
            yield first
            while True:
                while not (names := await run(watch.wait)):
                    pass
                portions, read_at = _Portions(self._tree, watch, names), clock()
                while not portions.done:
                    began = clock()
                    if changes := await run(portions.next):
                        yield Batch(tuple(changes), read_at if portions.done else began)
        finally:
            watch.close()
            executor.shutdown(wait=False)


def _begin(tree: Tree, watch: FolderWatcher) -> tuple[Change, ...]:
    """Reads, watches, and reads what changed in between: under a watch, each file opened costs events."""
    _check(tree.root)
    tree.read()
    try:
        watch.start()
    except (OSError, RuntimeError, ValueError) as error:
        raise SourceError(f"{tree.root}: can't be watched ({error}); see `sysctl fs.inotify`") from None
    tree.read()
    return (*map(Applied, tree.manifests.objects()), *map(Listed, KINDS), Reported(tree.problems))


async def _in_thread(executor: Executor, watch: FolderWatcher, call: Callable[[], T]) -> T:
    """Runs the call in the thread; when cancelled, stops the watch and waits for the thread."""
    task = asyncio.get_running_loop().run_in_executor(executor, call)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        watch.stop()
        await asyncio.gather(task, return_exceptions=True)
        raise
