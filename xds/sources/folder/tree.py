"""The manifests in a folder, kept current: a file with another stat than at the last reading is read again."""

import errno
import os
import stat
import threading
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Final

from xds.kube.change import Applied, Change, Deleted, Reported
from xds.problems.problem import ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.sources.folder.listing import FileStamp, Listing, find, list_folder, stamp, state
from xds.sources.folder.manifests import MAX_FILE_BYTES, File, Manifests, Objects, printable, read_file, unreadable

WHOLE_FOLDER: Final = frozenset([""])
"""The folder itself, among names of changed files: any file may have changed."""

RACY_NANOSECONDS: Final = 20_000_000
"""Two ticks of the slowest kernel clock. A younger file can change once more without a change of its time stamps.

Source: https://docs.kernel.org/filesystems/multigrain-ts.html; Git calls such files racy,
https://git-scm.com/docs/racy-git
"""

READ_CHUNK_BYTES: Final = 64 * 1024
"""The size of a read beyond the size that stat gave: the file grows."""

NO_FILE: Final = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
"""Errors of a link to nowhere, or of a file that is deleted at this moment."""


class StoppedError(Exception):
    """The reading was ended by `Tree.stop`."""


def contents(path: Path) -> tuple[bytes, os.stat_result]:
    """Read the file, little more than MAX_FILE_BYTES at most. Returns also its stat before the reading.

    Raises:
        OSError: the file can't be read, or is a pipe, a device …, where a read could block.
    """
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError("it is not a regular file")
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:  # a file object would cost four more system calls
        status = os.fstat(descriptor)
        raw = os.read(descriptor, min(status.st_size, MAX_FILE_BYTES) + 1)
        while len(raw) <= MAX_FILE_BYTES and (more := os.read(descriptor, READ_CHUNK_BYTES)):
            raw += more
        return raw, status
    finally:
        os.close(descriptor)


class Tree:
    """The folder as of the last `read`. Blocks; for one thread at a time.

    Attributes:
        holds: Whether all objects are held when the folder loses the last one: more often a mount is lost than a folder
            is emptied. They are held until an object is read again.
        unwatched: The problem that the kernel doesn't report changes of the folder; None while it does.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.listing = Listing()
        self.manifests = Manifests()
        self.problems: tuple[Problem, ...] = ()
        self.holds = False
        self.unwatched: Problem | None = None
        self._held: Objects = {}
        self._stamps: dict[str, FileStamp | None] = {}  # None: read the file again next time
        self._listed_at = 0.0
        self._stopped = threading.Event()

    def read(self, names: Collection[str] = WHOLE_FOLDER) -> list[Change]:
        """Read the changed files among the names (paths from the folder), and return the changes of objects.

        Raises:
            StoppedError: `stop` was called.
        """
        found: Mapping[str, FileStamp | OSError | None] | None = find(self.root, names, self.listing)
        if found is None:
            found = self._list()
        files: dict[str, File | None] = {}
        for path, now in found.items():
            if self._stopped.is_set():
                raise StoppedError
            if now is None or self._stamps.get(path) != now:
                files[path] = self._file(path, now)
        changes = self._update(files)
        folders = [_unread(path, error) for path, error in self.listing.unread.items()]
        own = [*([_HELD] if self._held else []), *([self.unwatched] if self.unwatched else [])]
        before, self.problems = self.problems, (*own, *folders, *self.manifests.problems())
        return changes if before == self.problems else [*changes, Reported(self.problems)]

    def _update(self, files: Mapping[str, File | None]) -> list[Change]:
        """Update the manifests, and return the changes: none if the last object goes."""
        if not self.holds:
            return self.manifests.update(files)
        before = self.manifests.all_within(files)
        changes = self.manifests.update(files)
        if self.manifests.empty:
            self._held |= before
            return []
        if not self._held:
            return changes
        held, self._held = self._held, {}
        present = {(type(each), each.key) for each in self.manifests.objects()}
        gone = [Deleted(*identity) for identity in held if identity not in present]
        return [*gone, *(each for each in changes if not _repeats(each, held))]

    def stop(self) -> None:
        """End a `read` under way after its present file, and every later one. From any thread."""
        self._stopped.set()

    @property
    def is_readable(self) -> bool:
        """Whether each directory could be read, and no objects are held. From any thread."""
        return not self.listing.unread and not self._held

    def age(self) -> float:
        """Seconds since all files were last compared."""
        return time.monotonic() - self._listed_at

    def moved(self) -> bool:
        """Whether a link leads to another file or folder than before, for which the kernel sends no event."""
        return any(state(self.root / path) != was for path, was in self.listing.links.items())

    def _list(self) -> dict[str, FileStamp | OSError | None]:
        self._listed_at = time.monotonic()
        listing = self.listing = list_folder(self.root)
        gone = [path for path in self._stamps if path not in listing.files and not listing.covers(path)]
        return {**listing.files, **dict.fromkeys(gone)}

    def _file(self, path: str, now: FileStamp | OSError | None) -> File | None:
        if now is None:
            self._stamps.pop(path, None)
            return None
        if isinstance(now, OSError):
            return self._fail(path, now)
        try:
            raw, status = contents(self.root / path)
        except OSError as error:
            return self._fail(path, error)
        racy = time.time_ns() - status.st_ctime_ns <= RACY_NANOSECONDS
        self._stamps[path] = None if racy else stamp(status)
        return read_file(path, raw, self.manifests.file(path))

    def _fail(self, path: str, error: OSError) -> File:
        gone = error.errno in NO_FILE
        message = f"The file can't be read: {error.strerror or error}."
        remedy = "Make the file readable, or remove the file" + (
            "." if gone else "; until then, the objects of its last content stay."
        )
        before = None if gone else self.manifests.file(path)
        self._stamps[path] = None
        return unreadable(path, Reason.UNREADABLE_FILE, message, remedy, before)


def _repeats(change: Change, held: Objects) -> bool:
    return isinstance(change, Applied) and held.get((type(change.object), change.object.key)) == change.object


_HELD: Final = Problem(
    ObjectRef("File", "", "."),
    Reason.WITHDRAWAL_HELD,
    "The folder has lost all objects, as when a mount is lost; they stay served until an object is read again.",
    "Restore the files or the mount, or restart the server to withdraw everything.",
    location=".",
)


def _unread(path: str, error: OSError) -> Problem:
    name = printable(path) or "."
    message = f"The folder can't be read: {error.strerror or error}."
    reason = Reason.UNREADABLE_FOLDER
    return Problem(ObjectRef("File", "", name), reason, message, reason.remedy, location=name)
