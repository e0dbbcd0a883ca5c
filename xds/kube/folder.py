"""A folder of Kubernetes manifests as a source: read once, then followed.

The kernel says where something may have changed (inotify, through watchfiles); what changed is found by comparing
files' stat with what it was when they were read. So no event's meaning matters, and how an editor saves, or a
ConfigMap mount swaps its `..data` link, makes no difference. A change costs what the files that the kernel names cost;
all are compared where names don't tell all (directories, links), and now and then.
"""

import asyncio
import errno
import os
import stat
import threading
import time
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeAlias, TypeVar

from watchfiles._rust_notify import RustNotify  # as in https://watchfiles.helpmanual.io/api/rust_backend/

from xds.kube.change import Applied, Batch, Change, Listed, Reported
from xds.kube.listing import Listing, Stamp, find, identity, list_folder, stamp, state
from xds.kube.manifests import MAX_FILE_BYTES, File, Manifests, printable, read_file, unreadable
from xds.kube.objects import KINDS, KubeObject
from xds.kube.problem import ObjectRef, Problem
from xds.kube.source import SourceError

# Milliseconds. A burst is read once nothing has changed for a step, or when it has gone on for BURST; what the kernel
# doesn't tell (a link's target outside the folder, the folder itself replaced) is looked for every POLL. Network file
# systems tell nothing, and a burst can overflow the kernel's queue (inotify(7)), so all is compared every RESCAN.
STEP, BURST, POLL, RESCAN = 5, 100, 100, 10_000

FEW = 100
"""Names of one burst that are believed to be all. A busier one may have gone past watchfiles, which drops what comes
between its copying and its clearing a set (https://github.com/samuelcolvin/watchfiles/blob/main/src/lib.rs)."""

ALL = frozenset([""])
"""The folder itself, where names of what may have changed are asked for: anything in it."""

SETTLED = 20_000_000
"""Nanoseconds after which a file's next change can't have the same time stamp: two ticks of the slowest kernel clock.

Source: https://docs.kernel.org/filesystems/multigrain-ts.html; Git calls such files racy,
https://git-scm.com/docs/racy-git
"""

NOWHERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
"""What a link that leads nowhere gives, or a file that goes this moment."""

T = TypeVar("T")
Target: TypeAlias = tuple[tuple[int, int] | None, tuple[tuple[str, tuple[int, int]], ...]]


def _contents(path: Path) -> tuple[bytes, os.stat_result]:
    """What the file holds, one byte over the limit at most, and its state before that was read.

    Raises:
        OSError: it can't be read, or is a pipe, a device …, which could block.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError("it is not a regular file")
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
        status = os.fstat(file.fileno())
        return file.read(MAX_FILE_BYTES + 1), status


class Tree:
    """What a folder holds as of the last `read`. Blocks; for one thread at a time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.listing = Listing()
        self.manifests = Manifests()
        self.problems: tuple[Problem, ...] = ()
        self._stamps: dict[str, Stamp | None] = {}
        self._listed_at = 0.0

    def read(self, names: Collection[str] = ALL) -> list[Change]:
        """Reads what changed since the last time, given the names of what may have (paths from the folder)."""
        found: Mapping[str, Stamp | OSError | None] | None = find(self.root, names, self.listing)
        if found is None:
            found = self._list()
        files = {path: self._file(path, now) for path, now in found.items() if self._differs(path, now)}
        changes = self.manifests.update(files)
        folders = [_unread(path, error) for path, error in self.listing.unread.items()]
        before, self.problems = self.problems, (*folders, *self.manifests.problems())
        return changes if before == self.problems else [*changes, Reported(self.problems)]

    def _list(self) -> dict[str, Stamp | OSError | None]:
        self._listed_at = time.monotonic()
        listing = self.listing = list_folder(self.root)
        gone = [path for path in self._stamps if path not in listing.files and not listing.covers(path)]
        return {**listing.files, **dict.fromkeys(gone)}

    def _differs(self, path: str, now: Stamp | OSError | None) -> bool:
        return now is None or self._stamps.get(path) != now

    def _file(self, path: str, now: Stamp | OSError | None) -> File | None:
        if now is None:
            self._stamps.pop(path, None)
            return None
        return self._fail(path, now) if isinstance(now, OSError) else self._read(path)

    def age(self) -> float:
        """Seconds since all was last compared."""
        return time.monotonic() - self._listed_at

    def moved(self) -> bool:
        """Did something change that the kernel doesn't tell: the folder itself replaced, or behind a link?"""
        return any(state(self.root / path) != was for path, was in self.listing.links.items())

    def _read(self, path: str) -> File:
        try:
            raw, status = _contents(self.root / path)
        except OSError as error:
            return self._fail(path, error)
        settled = time.time_ns() - status.st_ctime_ns > SETTLED
        self._stamps[path] = stamp(status) if settled else None
        return read_file(path, raw, self.manifests.file(path))

    def _fail(self, path: str, error: OSError) -> File:
        gone = error.errno in NOWHERE
        message = f"The file can't be read: {error.strerror or error}."
        remedy = "Make it a readable file, or remove it" + ("." if gone else "; until then, what it gave before stays.")
        before = None if gone else self.manifests.file(path)
        self._stamps[path] = None
        return unreadable(path, "UnreadableFile", message, remedy, before)


def _unread(path: str, error: OSError) -> Problem:
    name = printable(path) or "."
    message = f"The folder can't be read: {error.strerror or error}."
    remedy = "Put it back, readable; until then, what it gave before stays."
    return Problem(ObjectRef("File", "", name), "UnreadableFolder", message, remedy, location=name)


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


class _Watch:
    """The kernel's word on what in the folder may have changed. Blocks; for one thread at a time."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._root = tree.root.absolute()  # as the kernel's names begin
        self._stop = threading.Event()
        self._notify: RustNotify | None = None
        self._watched: Target | None = None

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
        try:
            found = self._notify.watch(BURST, STEP, POLL, self._stop)
        except RuntimeError:  # a name that isn't UTF-8, say; the watch is of no use any more
            self.close()
            return ALL
        if self._tree.age() > RESCAN / 1000 or self._tree.moved():
            return ALL
        return () if isinstance(found, str) else self._names({path for _, path in found})

    def _names(self, paths: set[str]) -> Collection[str]:
        prefix = f"{self._root}/"
        if len(paths) > FEW or not all(path.startswith(prefix) for path in paths):
            return ALL
        return [path.removeprefix(prefix) for path in paths]

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
        watch = _Watch(self._tree)
        executor = ThreadPoolExecutor(1, "folder")  # of its own: asyncio's may be full of others' work
        run = partial(_in_thread, executor, watch)
        read_at = asyncio.get_running_loop().time()
        try:
            first = Batch(await run(partial(_begin, self._tree, watch)), read_at)
            self._listed = True
            yield first
            while True:
                while not (names := await run(watch.wait)):
                    pass
                read_at = asyncio.get_running_loop().time()
                if changes := await run(partial(self._tree.read, names)):
                    yield Batch(tuple(changes), read_at)
        finally:
            watch.close()
            executor.shutdown(wait=False)


def _begin(tree: Tree, watch: _Watch) -> tuple[Change, ...]:
    """Reads, watches, and reads what changed in between: under a watch, each file opened costs events."""
    _check(tree.root)
    tree.read()
    try:
        watch.start()
    except (OSError, RuntimeError, ValueError) as error:
        raise SourceError(f"{tree.root}: can't be watched ({error}); see `sysctl fs.inotify`") from None
    tree.read()
    return (*map(Applied, tree.manifests.objects()), *map(Listed, KINDS), Reported(tree.problems))


async def _in_thread(executor: Executor, watch: _Watch, call: Callable[[], T]) -> T:
    """Runs the call in the thread; when cancelled, stops the watch and waits for the thread."""
    task = asyncio.get_running_loop().run_in_executor(executor, call)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        watch.stop()
        await asyncio.gather(task, return_exceptions=True)
        raise
