"""What a folder of manifests holds: files are read again when their stat differs from what it was."""

import errno
import os
import stat
import time
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from xds.kube.change import Change, Reported
from xds.problems.problem import ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.sources.folder.listing import FileStamp, Listing, find, list_folder, stamp, state
from xds.sources.folder.manifests import MAX_FILE_BYTES, File, Manifests, printable, reading, unreadable
from xds.steps import Steps, finish

ALL = frozenset([""])
"""The folder itself, where names of what may have changed are asked for: anything in it."""

SETTLED = 20_000_000
"""Nanoseconds after which a file's next change can't have the same time stamp: two ticks of the slowest kernel clock.

Source: https://docs.kernel.org/filesystems/multigrain-ts.html; Git calls such files racy,
https://git-scm.com/docs/racy-git
"""

STEP = 3
"""Milliseconds in which nothing changes once who changed something is no longer at it."""

CHUNK = 64 * 1024
"""Bytes that are read at a time of a file that grows."""

AT_ONCE = 20
"""Files that overtake at a time: there may be as many as are read."""

NOWHERE = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
"""What a link that leads nowhere gives, or a file that goes this moment."""


def _contents(path: Path) -> tuple[bytes, os.stat_result]:
    """What the file holds, little more than the limit at most, and its state before that was read.

    Raises:
        OSError: it can't be read, or is a pipe, a device …, which could block.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError("it is not a regular file")
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:  # a file object would ask the kernel for four more things
        status = os.fstat(descriptor)
        raw = os.read(descriptor, min(status.st_size, MAX_FILE_BYTES) + 1)
        while len(raw) <= MAX_FILE_BYTES and (more := os.read(descriptor, CHUNK)):
            raw += more
        return raw, status
    finally:
        os.close(descriptor)


class _Reading:
    """A reading that is under way. `due` are the files that are to be read, each with what was listed; `files` those
    that are read and don't count yet, `at` is the one between the two. `eager` are to be read before they are due;
    `named` changed since. `listed`: it is known what is due; `ended`: all is read and about to count.
    """

    def __init__(self) -> None:
        self.due: dict[str, FileStamp | OSError | None] = {}
        self.files: dict[str, File | None] = {}
        self.at = ""
        self.eager: dict[str, None] = {}
        self.named: set[str] = set()
        self.listed = False
        self.ended = False

    def begin(self, due: Mapping[str, FileStamp | OSError | None], eager: Iterable[str]) -> None:
        self.due = dict(reversed(list(due.items())))
        self.eager = {**dict.fromkeys(eager), **self.eager}
        self.listed = True

    def next(self) -> FileStamp | OSError | None:
        """Go on to the file that is due next. What was listed of it."""
        self.at, listed = self.due.popitem()
        return listed

    def end(self) -> dict[str, File | None]:
        """All is read. Returns that."""
        self.at, self.ended = "", True
        return self.files

    def is_late(self, path: str) -> bool:
        """Whether the file can't be told before the rest any more."""
        return self.ended and path in self.files

    def changes(self, path: str) -> bool:
        """Whether this file is among those that are known to change."""
        return path == self.at or any(path in names for names in (self.due, self.files, self.named))

    def drop(self, path: str) -> None:
        """It counts already."""
        self.due.pop(path, None)
        self.files.pop(path, None)


class Tree:
    """What a folder holds as of the last `read`. Blocks; for one thread at a time."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.listing = Listing()
        self.manifests = Manifests()
        self.problems: tuple[Problem, ...] = ()
        self._stamps: dict[str, FileStamp | None] = {}
        self._reading = _Reading()
        self._listed_at = 0.0

    def read(self, names: Collection[str] = ALL) -> list[Change]:
        """Reads what changed since the last time, given the names of what may have (paths from the folder)."""
        return finish(self.reading(names))

    def reading(self, names: Collection[str]) -> Steps[list[Change]]:
        """`read` bit by bit. Nothing of it counts before the end, but for what is told by `overtake`."""
        current = self._reading = _Reading()
        found: Mapping[str, FileStamp | OSError | None] | None = find(self.root, names, self.listing)
        if found is None:
            found = yield from self._list()
        due = {path: now for path, now in found.items() if self._differs(path, now)}
        current.begin(due, filter(self.manifests.are_endpoints, due))
        while current.due:
            listed = current.next()
            current.files[current.at] = yield from self._file(current.at, listed)
        changes = yield from self.manifests.updating(current.end())
        folders = [_unread(path, error) for path, error in self.listing.unread.items()]
        before, self.problems = self.problems, (*folders, *self.manifests.problems())
        return changes if before == self.problems else [*changes, Reported(self.problems)]

    def overtake(self, names: Collection[str]) -> list[Change]:
        """Reads files that need not wait for the reading that is under way, because they say nothing but endpoints of
        Services that stay as they are: a few of the names and of what is due, the last to be named first.

        Args:
            names: Of what may have changed since it began. All of them are to be read afterwards, too.
        """
        current = self._reading
        current.named.update(names)
        current.eager.update(dict.fromkeys(filter(self.manifests.are_endpoints, names)))
        changes: list[Change] = []
        early: list[str] = []
        for _ in range(min(AT_ONCE, len(current.eager))):
            path, _ = current.eager.popitem()
            now = state(self.root / path)
            if path == current.at or (now is not None and time.time_ns() - now.ctime < STEP * 1_000_000):
                early.append(path)  # who changed it may be at it still
            elif now is not None and not current.is_late(path):
                changes += self._overtaking(path, now)
        current.eager.update(dict.fromkeys(early))
        return changes

    def _overtaking(self, path: str, now: FileStamp) -> list[Change]:
        current = self._reading
        file = finish(self._file(path, now)) if self._differs(path, now) else current.files.get(path)
        if file is None:
            return []
        if not self.manifests.may_overtake(file, self._is_changing):
            self._stamps[path] = None
            return []
        current.drop(path)
        return self.manifests.update({path: file})

    def _is_changing(self, path: str) -> bool:
        current = self._reading
        return current.changes(path) or (not current.listed and self._differs(path, state(self.root / path)))

    def _list(self) -> Steps[dict[str, FileStamp | OSError | None]]:
        self._listed_at = time.monotonic()
        listing = self.listing = yield from list_folder(self.root)
        gone = [path for path in self._stamps if path not in listing.files and not listing.covers(path)]
        return {**listing.files, **dict.fromkeys(gone)}

    def _differs(self, path: str, now: FileStamp | OSError | None) -> bool:
        return now is None or self._stamps.get(path) != now

    def _file(self, path: str, now: FileStamp | OSError | None) -> Steps[File | None]:
        if now is None:
            self._stamps.pop(path, None)
            return None
        return self._fail(path, now) if isinstance(now, OSError) else (yield from self._read(path))

    def age(self) -> float:
        """Seconds since all was last compared."""
        return time.monotonic() - self._listed_at

    def moved(self) -> bool:
        """Did something change that the kernel doesn't tell: the folder itself replaced, or behind a link?"""
        return any(state(self.root / path) != was for path, was in self.listing.links.items())

    def _read(self, path: str) -> Steps[File]:
        try:
            raw, status = _contents(self.root / path)
        except OSError as error:
            return self._fail(path, error)
        settled = time.time_ns() - status.st_ctime_ns > SETTLED
        self._stamps[path] = stamp(status) if settled else None
        return (yield from reading(path, raw, self.manifests.file(path)))

    def _fail(self, path: str, error: OSError) -> File:
        gone = error.errno in NOWHERE
        message = f"The file can't be read: {error.strerror or error}."
        remedy = "Make it a readable file, or remove it" + ("." if gone else "; until then, what it gave before stays.")
        before = None if gone else self.manifests.file(path)
        self._stamps[path] = None
        return unreadable(path, Reason.UNREADABLE_FILE, message, remedy, before)


def _unread(path: str, error: OSError) -> Problem:
    name = printable(path) or "."
    message = f"The folder can't be read: {error.strerror or error}."
    reason = Reason.UNREADABLE_FOLDER
    return Problem(ObjectRef("File", "", name), reason, message, reason.remedy, location=name)
