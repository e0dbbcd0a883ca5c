"""inotify on a folder, through watchfiles: the names of files that may have changed.

Source: https://man7.org/linux/man-pages/man7/inotify.7.html
"""

import re
import threading
import time
from collections.abc import Collection
from pathlib import Path
from typing import Final, TypeAlias

from watchfiles._rust_notify import RustNotify  # as in https://watchfiles.helpmanual.io/api/rust_backend/

from xds.problems.problem import ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.sources.folder.listing import identity
from xds.sources.folder.tree import WHOLE_FOLDER, Tree

QUIET_MILLISECONDS: Final = 3
"""A burst of changes ends when the folder stays quiet for so long: the writer is no longer at work."""

BURST_MILLISECONDS: Final = 100
"""A longer burst is read in parts."""

POLL_MILLISECONDS: Final = 100
"""Interval of the search for changes without event: behind a link out of the folder, or of the folder itself."""

RESCAN_SECONDS: Final = 10.0
"""Interval of a comparison of all files: network file systems send no events, and the kernel's queue can overflow. The
kernel may also grant no inotify instance, or too few watches.
"""

MAX_TRUSTED_NAMES: Final = 100
"""A burst with more names may lack some: watchfiles drops events between the copying and the clearing of a
set (https://github.com/samuelcolvin/watchfiles/blob/main/src/lib.rs).
"""

_WATCHED_INODE: Final = re.compile(r"^inotify wd:\S+ ino:([0-9a-f]+) ", re.MULTILINE)
"""Source: https://docs.kernel.org/filesystems/proc.html#proc-pid-fdinfo-fd-information-about-opened-file"""

_Targets: TypeAlias = tuple[tuple[int, int] | None, tuple[tuple[str, tuple[int, int]], ...]]


class FolderWatcher:
    """Waits for changes in a tree's folder. Blocks; for one thread at a time."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._root = tree.root.absolute()  # the kernel's names begin so
        self._stopped = threading.Event()
        self._notify: RustNotify | None = None
        self._watched: _Targets | None = None
        self._retry_at = 0.0

    def begin(self) -> None:
        """Watch the folder; where the kernel grants no watch, compare all files every RESCAN_SECONDS."""
        try:
            self.start()
        except (OSError, RuntimeError, ValueError) as error:
            self._retry_at = time.monotonic() + RESCAN_SECONDS
            if identity(self._tree.root) is not None:
                self._tree.unwatched = _unwatched(" ".join(str(error).split()))
        else:
            self._retry_at = 0.0
            self._tree.unwatched = None if self._is_complete() else _unwatched("it grants too few watches")

    def start(self) -> None:
        """Watch the folder, and the folders behind links in the folder.

        Raises:
            OSError, RuntimeError, ValueError: there is no folder, or the kernel grants no watch.
        """
        self.close()
        self._watched = self._targets()
        self._notify = RustNotify(
            [str(self._root / path) for path in ("", *self._tree.listing.linked)],
            debug=False,
            force_polling=False,
            poll_delay_ms=POLL_MILLISECONDS,
            recursive=True,
            ignore_permission_denied=True,
        )

    def wait(self) -> Collection[str]:
        """Wait for a burst of changes, POLL_MILLISECONDS for its start at most.

        Returns:
            Paths from the folder of files that may have changed; none after a wait in vain.
        """
        if self._targets() != self._watched or (self._notify is None and time.monotonic() >= self._retry_at):
            return self._restarted()
        if self._notify is None:
            self._stopped.wait(POLL_MILLISECONDS / 1000)
            return ()
        try:
            found = self._notify.watch(BURST_MILLISECONDS, QUIET_MILLISECONDS, POLL_MILLISECONDS, self._stopped)
        except RuntimeError:  # a name that isn't UTF-8, say, which ends the watch
            self.close()
            self._retry_at = 0.0
            return WHOLE_FOLDER
        late = self._tree.age() > RESCAN_SECONDS
        if late and (self._tree.unwatched or not self._is_complete()):
            self.begin()
        if late or self._tree.moved():
            return WHOLE_FOLDER
        return self._names(set() if isinstance(found, str) else {path for _, path in found})

    def _names(self, paths: Collection[str]) -> Collection[str]:
        inside = f"{self._root}/"
        if len(paths) > MAX_TRUSTED_NAMES or not all(path.startswith(inside) for path in paths):
            return WHOLE_FOLDER
        return [path.removeprefix(inside) for path in paths]

    def stop(self) -> None:
        """End a `wait` under way, and every later one. From any thread."""
        self._stopped.set()

    def close(self) -> None:
        notify, self._notify = self._notify, None
        if notify is not None:
            notify.close()

    def _targets(self) -> _Targets:
        return identity(self._tree.root), tuple(self._tree.listing.linked.items())

    def _restarted(self) -> Collection[str]:
        """Try to watch again. Returns the names to read."""
        before = self._watched
        self.begin()
        if self._notify is not None:
            self._stopped.wait(QUIET_MILLISECONDS / 1000)  # as after an event, for a writer at work
            return WHOLE_FOLDER
        self._stopped.wait(POLL_MILLISECONDS / 1000)
        return WHOLE_FOLDER if self._watched != before or identity(self._tree.root) is not None else ()

    def _is_complete(self) -> bool:
        """Whether the kernel watches each directory. The library doesn't tell that the kernel refused a watch."""
        watched, directories = _watched_inodes(), self._tree.listing.directories
        if watched is None or len(watched) >= len(directories):
            return True
        # Some file systems show other inodes here than to stat, so the numbers alone prove nothing.
        here = (identity(self._root / path) for path in directories)
        return all(found is None or found[1] in watched for found in here)


def _watched_inodes() -> set[int] | None:
    """Return the inodes of all files and directories that this process watches; None if the kernel doesn't tell."""
    found = set[int]()
    try:
        for descriptor in Path("/proc/self/fdinfo").iterdir():
            try:
                text = descriptor.read_text()
            except OSError:  # of a descriptor that another thread has closed
                continue
            found.update(int(inode, 16) for inode in _WATCHED_INODE.findall(text))
    except OSError:
        return None
    return found


def _unwatched(why: str) -> Problem:
    reason = Reason.FOLDER_NOT_WATCHED
    message = f"The kernel doesn't report all changes of files: {why}. A change takes up to {RESCAN_SECONDS:.0f} s."
    return Problem(ObjectRef("File", "", "."), reason, message, reason.remedy, location=".")
