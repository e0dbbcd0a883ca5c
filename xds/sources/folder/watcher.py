"""inotify on a folder, through watchfiles: the names of files that may have changed.

Source: https://man7.org/linux/man-pages/man7/inotify.7.html
"""

import threading
from collections.abc import Collection
from typing import Final, TypeAlias

from watchfiles._rust_notify import RustNotify  # as in https://watchfiles.helpmanual.io/api/rust_backend/

from xds.sources.folder.listing import identity
from xds.sources.folder.tree import WHOLE_FOLDER, Tree

QUIET_MILLISECONDS: Final = 3
"""A burst of changes ends when the folder stays quiet for so long: the writer is no longer at work."""

BURST_MILLISECONDS: Final = 100
"""A longer burst is read in parts."""

POLL_MILLISECONDS: Final = 100
"""Interval of the search for changes without event: behind a link out of the folder, or of the folder itself."""

RESCAN_SECONDS: Final = 10.0
"""Interval of a comparison of all files: network file systems send no events, and the kernel's queue can overflow."""

MAX_TRUSTED_NAMES: Final = 100
"""A burst with more names may lack some: watchfiles drops events between the copying and the clearing of a
set (https://github.com/samuelcolvin/watchfiles/blob/main/src/lib.rs).
"""

_Targets: TypeAlias = tuple[tuple[int, int] | None, tuple[tuple[str, tuple[int, int]], ...]]


class FolderWatcher:
    """Waits for changes in a tree's folder. Blocks; for one thread at a time."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._root = tree.root.absolute()  # the kernel's names begin so
        self._stopped = threading.Event()
        self._notify: RustNotify | None = None
        self._watched: _Targets | None = None

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
        if self._notify is None or self._targets() != self._watched:
            return WHOLE_FOLDER if self._restart() else ()
        try:
            found = self._notify.watch(BURST_MILLISECONDS, QUIET_MILLISECONDS, POLL_MILLISECONDS, self._stopped)
        except RuntimeError:  # a name that isn't UTF-8, say, which ends the watch
            self.close()
            return WHOLE_FOLDER
        if self._tree.age() > RESCAN_SECONDS or self._tree.moved():
            return WHOLE_FOLDER
        paths = set() if isinstance(found, str) else {path for _, path in found}
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

    def _restart(self) -> bool:
        """Try to watch again. Returns whether the folder is to be read."""
        before = self._watched
        try:
            self.start()
        except (OSError, RuntimeError, ValueError):
            self._stopped.wait(POLL_MILLISECONDS / 1000)
            return self._watched != before or identity(self._tree.root) is not None
        self._stopped.wait(QUIET_MILLISECONDS / 1000)  # as after an event, for a writer at work
        return True
