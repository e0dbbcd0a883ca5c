"""A folder of Kubernetes manifests as a source: read once, then followed.

inotify names files that may have changed; comparing each file's stat with the stat at its last reading tells whether
the file did change. So events need no interpretation, and an editor's way of saving, or a ConfigMap mount's swap of its
`..data` link, makes no difference. A change costs a look at the named files; all files are compared where names don't
suffice (directories, links), and every few seconds.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar

from xds.kube.change import Applied, Batch, Change, Listed, Reported
from xds.kube.kinds import KINDS
from xds.kube.source import SourceError
from xds.sources.folder.tree import Tree
from xds.sources.folder.watcher import FolderWatcher

T = TypeVar("T")


def read_tree(path: str | Path) -> Tree:
    """Read the folder once.

    Raises:
        SourceError: there is no such folder.
    """
    root = Path(path)
    check(root)
    tree = Tree(root)
    tree.read()
    return tree


def check(root: Path) -> None:
    """Raises SourceError if there is no such folder, or none that can be read."""
    try:
        next(root.iterdir(), None)
    except FileNotFoundError:
        raise SourceError(f"{root}: there is no such folder; create it, or name another") from None
    except NotADirectoryError:
        raise SourceError(f"{root}: is not a folder; name the folder that holds the manifests") from None
    except (OSError, ValueError) as error:
        raise SourceError(f"{root}: can't be read ({error}); make it readable, or name another folder") from None


class Folder:
    """The source behind `--from DIR`."""

    def __init__(self, path: str | Path) -> None:
        self._tree = Tree(Path(path))
        self._listed = False

    def waiting_for(self) -> str:
        """Name the folder while its first reading lasts; see `Source`."""
        return "" if self._listed else f"the folder {self._tree.root}"

    def is_current(self) -> bool:
        """Whether the folder was read, all of it, and not emptied since; see `Source`."""
        return self._listed and self._tree.is_readable

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """Yield all objects as one batch, then changes, for ever; to be called once.

        Cancellation, like closing the generator, ends the watch and waits for the reading thread: at most for one poll
        of the watch, or for one file.

        Raises:
            SourceError: at the start, the folder can't be read. Later failures are reported problems.
        """
        watcher = FolderWatcher(self._tree)
        executor = ThreadPoolExecutor(1, "folder")  # asyncio's own may be busy with other work
        run = partial(_in_thread, executor, self._tree, watcher)
        clock = asyncio.get_running_loop().time
        read_at = clock()
        try:
            first = Batch(await run(partial(_begin, self._tree, watcher)), read_at)
            self._listed = True
            yield first
            while True:
                while not (names := await run(watcher.wait)):
                    pass
                read_at = clock()
                if changes := await run(partial(self._tree.read, names)):
                    yield Batch(tuple(changes), read_at)
        finally:
            watcher.close()
            executor.shutdown(wait=False)


def _begin(tree: Tree, watcher: FolderWatcher) -> tuple[Change, ...]:
    """Read, watch, and read changes in between: under a watch, each opened file would cost events."""
    check(tree.root)
    tree.read()
    watcher.begin()
    tree.read()
    tree.holds = True
    return (*map(Applied, tree.manifests.objects()), *map(Listed, KINDS), Reported(tree.problems))


async def _in_thread(executor: Executor, tree: Tree, watcher: FolderWatcher, call: Callable[[], T]) -> T:
    """Run the call in the thread; when cancelled, stop the tree and the watcher, and wait for the thread."""
    task = asyncio.get_running_loop().run_in_executor(executor, call)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        watcher.stop()
        tree.stop()
        await asyncio.gather(task, return_exceptions=True)
        raise
