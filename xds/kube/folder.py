"""A folder of Kubernetes manifests as a source: read once, then followed.

The kernel says when something changed (inotify, through watchfiles); what changed is found by comparing each file's
stat with what it was when the file was read. So no event's meaning matters, and how an editor saves, or a ConfigMap
mount swaps its `..data` link, makes no difference.
"""

import asyncio
import errno
import os
import stat
import threading
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import NamedTuple, TypeAlias, TypeVar

from watchfiles._rust_notify import RustNotify  # as in https://watchfiles.helpmanual.io/api/rust_backend/

from xds.kube.change import Batch, Change, Listed, Reported
from xds.kube.manifests import (
    MAX_FILE_BYTES,
    File,
    Manifests,
    Objects,
    difference,
    merge,
    printable,
    read_file,
    unreadable,
)
from xds.kube.objects import KINDS, KubeObject
from xds.kube.problem import ObjectRef, Problem
from xds.kube.source import SourceError

SUFFIXES = (".yaml", ".yml", ".json")

# Milliseconds. A burst is read once nothing has changed for a step, or when it has gone on for BURST; what the kernel
# doesn't tell (a link's target outside the folder, the folder itself replaced) is looked for every POLL. Network file
# systems tell nothing, and a burst can overflow the kernel's queue (inotify(7)), so all is compared every RESCAN.
STEP, BURST, POLL, RESCAN = 20, 100, 100, 10_000

SETTLED = 20_000_000
"""Nanoseconds after which a file's next change can't have the same time stamp: two ticks of the slowest kernel clock.

Source: https://docs.kernel.org/filesystems/multigrain-ts.html; Git calls such files racy,
https://git-scm.com/docs/racy-git
"""

NOWHERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
"""What a link that leads nowhere gives, or a file that goes this moment."""

T = TypeVar("T")
Target: TypeAlias = tuple[tuple[int, int] | None, tuple[tuple[str, tuple[int, int]], ...]]


class Stamp(NamedTuple):
    """What tells one state of a file from another. Times are in nanoseconds of the system's clock."""

    device: int
    inode: int
    size: int
    mtime: int
    ctime: int


def _stamp(status: os.stat_result) -> Stamp:
    return Stamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@dataclass(slots=True)
class Listing:
    """What is in the folder. Paths are from the folder."""

    files: dict[str, os.stat_result | OSError] = field(default_factory=dict)
    unread: dict[str, OSError] = field(default_factory=dict)  # directories
    links: dict[str, Stamp | None] = field(default_factory=dict)
    linked: dict[str, tuple[int, int]] = field(default_factory=dict)  # directories behind links: device, inode

    def covers(self, path: str) -> bool:
        """Is the path in a directory that could not be read?"""
        return any(not each or path.startswith(f"{each}/") for each in self.unread)


def list_folder(root: Path) -> Listing:
    """Every manifest in the folder and below, hidden names aside.

    A directory is read once, by the first path that leads to it: links may go in circles.
    """
    listing, seen = Listing(), set[tuple[int, int] | None]()
    pending = [""]
    while pending:
        directory = pending.pop()
        try:
            if (identity := _identity(root / directory)) in seen:
                continue
            seen.add(identity)
            with os.scandir(root / directory) as entries:
                found = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            if not directory or not isinstance(error, FileNotFoundError):
                listing.unread[directory] = error
            continue
        prefix = f"{directory}/" if directory else ""
        below = [prefix + entry.name for entry in found if _note(entry, prefix + entry.name, listing)]
        pending += reversed(below)
    return listing


def _note(entry: os.DirEntry[str], path: str, listing: Listing) -> bool:
    """Puts what a directory holds into the listing; True if it is a directory itself."""
    if entry.name.startswith("."):
        return False
    manifest = entry.name.endswith(SUFFIXES)
    link = entry.is_symlink()
    if not link and not manifest:
        return entry.is_dir()
    try:
        status = entry.stat()
    except OSError as error:
        if manifest and link:  # else it was there a moment ago
            listing.files[path] = error
            listing.links[path] = None
        return False
    if link:
        listing.links[path] = _stamp(status)
    if manifest and not stat.S_ISDIR(status.st_mode):
        listing.files[path] = status
    if link and stat.S_ISDIR(status.st_mode):
        listing.linked[path] = (status.st_dev, status.st_ino)
    return stat.S_ISDIR(status.st_mode)


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
        self._files: dict[str, File] = {}
        self._stamps: dict[str, Stamp | None] = {}
        self._read_at = 0.0

    def read(self) -> Manifests:
        """Reads what changed since the last time."""
        self._read_at = time.monotonic()
        listing = self.listing = list_folder(self.root)
        for path in [each for each in self._files if each not in listing.files and not listing.covers(each)]:
            del self._files[path], self._stamps[path]
        for path, found in listing.files.items():
            if isinstance(found, OSError):
                self._fail(path, found)
            elif self._stamps.get(path) != _stamp(found):
                self._read(path)
        folders = [_unread(path, error) for path, error in listing.unread.items()]
        merged = merge(self._files.values())
        return Manifests(merged.objects, (*folders, *merged.problems))

    def age(self) -> float:
        """Seconds since the last `read` began."""
        return time.monotonic() - self._read_at

    def moved(self) -> bool:
        """Did something change that the kernel doesn't tell: the folder itself replaced, or behind a link?"""
        return any(_state(self.root / path) != was for path, was in self.listing.links.items())

    def _read(self, path: str) -> None:
        try:
            raw, status = _contents(self.root / path)
        except OSError as error:
            self._fail(path, error)
            return
        settled = time.time_ns() - status.st_ctime_ns > SETTLED
        self._stamps[path] = _stamp(status) if settled else None
        self._files[path] = read_file(path, raw, self._files.get(path))

    def _fail(self, path: str, error: OSError) -> None:
        gone = error.errno in NOWHERE
        message = f"The file can't be read: {error.strerror or error}."
        remedy = "Make it a readable file, or remove it" + ("." if gone else "; until then, what it gave before stays.")
        before = None if gone else self._files.get(path)
        self._stamps[path] = None
        self._files[path] = unreadable(path, "UnreadableFile", message, remedy, before)


def _state(path: Path) -> Stamp | None:
    try:
        return _stamp(path.stat())
    except OSError:
        return None


def _identity(path: Path) -> tuple[int, int] | None:
    """Device and inode; None if there is nothing."""
    state = _state(path)
    return state and (state.device, state.inode)


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
    root = Path(path)
    _check(root)
    manifests = Tree(root).read()
    return list(manifests.objects.values()), manifests.problems


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
    """The kernel's word that something in the folder may have changed. Blocks; for one thread at a time."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
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
        root = self._tree.root
        self._notify = RustNotify(
            [str(root / path) for path in ("", *self._tree.listing.linked)],
            debug=False,
            force_polling=False,
            poll_delay_ms=POLL,
            recursive=True,
            ignore_permission_denied=True,
        )

    def wait(self) -> bool:
        """Waits for a change, POLL milliseconds at most; may it be that there was one?"""
        if self._notify is None or self._target() != self._watched:
            return self._restart()
        try:
            found = self._notify.watch(BURST, STEP, POLL, self._stop)
        except RuntimeError:  # a name that isn't UTF-8, say; the watch is of no use any more
            self.close()
            return True
        return not isinstance(found, str) or self._tree.moved() or self._tree.age() > RESCAN / 1000

    def stop(self) -> None:
        """Ends `wait`, now and for ever. From any thread."""
        self._stop.set()

    def close(self) -> None:
        notify, self._notify = self._notify, None
        if notify is not None:
            notify.close()

    def _target(self) -> Target:
        return _identity(self._tree.root), tuple(self._tree.listing.linked.items())

    def _restart(self) -> bool:
        """Without a watch (the folder is gone, say) tries again every POLL, and reads what there is to read."""
        before = self._watched
        try:
            self.start()
        except (OSError, RuntimeError, ValueError):
            self._stop.wait(POLL / 1000)
            return self._watched != before or _identity(self._tree.root) is not None
        self._stop.wait(STEP / 1000)  # as after an event: who changed it may be at it still
        return True


class Folder:
    """The source behind `--from DIR`."""

    def __init__(self, path: str | Path) -> None:
        self._tree = Tree(Path(path))
        self._objects: Objects = {}
        self._problems: tuple[Problem, ...] = ()
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
        read_at = asyncio.get_running_loop().time()
        try:
            manifests = await _in_thread(partial(_begin, self._tree, watch), watch)
            self._listed = True
            yield Batch((*self._taken(manifests), *map(Listed, KINDS), Reported(manifests.problems)), read_at)
            while True:
                read_at = await _noticed(watch)
                manifests = await _in_thread(self._tree.read, watch)
                said = manifests.problems == self._problems
                changes = [*self._taken(manifests), *([] if said else [Reported(manifests.problems)])]
                if changes:
                    yield Batch(tuple(changes), read_at)
        finally:
            watch.close()

    def _taken(self, manifests: Manifests) -> list[Change]:
        changes = difference(self._objects, manifests.objects)
        self._objects, self._problems = manifests.objects, manifests.problems
        return changes


def _begin(tree: Tree, watch: _Watch) -> Manifests:
    """Reads, watches, and reads what changed in between: under a watch, each file opened costs events."""
    _check(tree.root)
    tree.read()
    try:
        watch.start()
    except (OSError, RuntimeError, ValueError) as error:
        raise SourceError(f"{tree.root}: can't be watched ({error}); see `sysctl fs.inotify`") from None
    return tree.read()


async def _noticed(watch: _Watch) -> float:
    """When something may have changed, on the loop's clock."""
    while not await _in_thread(watch.wait, watch):
        pass
    return asyncio.get_running_loop().time()


async def _in_thread(call: Callable[[], T], watch: _Watch) -> T:
    """Runs the call in a thread; when cancelled, stops the watch and waits for the thread."""
    task = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        watch.stop()
        await asyncio.gather(task, return_exceptions=True)
        raise
