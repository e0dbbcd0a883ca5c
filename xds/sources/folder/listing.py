"""The names and states of the manifest files in a folder, without their contents."""

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

SUFFIXES: Final = (".yaml", ".yml", ".json")


class FileStamp(NamedTuple):
    """Identity, size and times of a file, which differ after a change. Times are nanoseconds of the system's clock."""

    device: int
    inode: int
    size: int
    mtime: int
    ctime: int


def stamp(status: os.stat_result) -> FileStamp:
    return FileStamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@dataclass(slots=True)
class Listing:
    """The entries of a folder and of the directories below, by path from the folder; the folder's own path is "".

    Attributes:
        files: Manifests; an error stands for a link without target.
        directories: The directories that were read.
        unread: The directories that could not be read.
        links: The state of each link's target; None for a link without target.
        linked: Device and inode of the directories behind links.
    """

    files: dict[str, FileStamp | OSError] = field(default_factory=dict)
    directories: set[str] = field(default_factory=set)
    unread: dict[str, OSError] = field(default_factory=dict)
    links: dict[str, FileStamp | None] = field(default_factory=dict)
    linked: dict[str, tuple[int, int]] = field(default_factory=dict)

    def covers(self, path: str) -> bool:
        """Whether the path is in a directory that could not be read."""
        return any(not each or path.startswith(f"{each}/") for each in self.unread)

    def stands(self, path: str, now: os.stat_result | None) -> bool:
        """Whether the rest of the listing stays true when this path changes.

        False for a directory, and where a file may have several names.

        Args:
            path: The changed path.
            now: The present state of the path; None: nothing is there.
        """
        directory, _, _ = path.rpartition("/")
        if self.links or self.unread or path in self.directories or directory not in self.directories:
            return False
        return now is None or (not stat.S_ISDIR(now.st_mode) and not stat.S_ISLNK(now.st_mode) and now.st_nlink == 1)


def list_folder(root: Path) -> Listing:
    """List every manifest in the folder and below, without hidden names.

    Links may form circles, so a directory is read once, under the first path that leads there.
    """
    listing, seen = Listing(), set[tuple[int, int] | None]()
    pending = [""]
    while pending:
        directory = pending.pop()
        try:
            if (found := identity(root / directory)) in seen:
                continue
            seen.add(found)
            with os.scandir(root / directory) as entries:
                inside = sorted(entries, key=lambda entry: entry.name)
        except OSError as error:
            if not directory or not isinstance(error, FileNotFoundError):
                listing.unread[directory] = error
            continue
        listing.directories.add(directory)
        prefix = f"{directory}/" if directory else ""
        below = [prefix + entry.name for entry in inside if _note(entry, prefix + entry.name, listing)]
        pending += reversed(below)
    return listing


def _is_manifest(name: str) -> bool:
    return name.endswith(SUFFIXES) and not name.startswith(".")


def _note(entry: os.DirEntry[str], path: str, listing: Listing) -> bool:
    """Put the entry of a directory into the listing. Returns whether the entry is a directory itself."""
    if entry.name.startswith("."):
        return False
    manifest = _is_manifest(entry.name)
    link = entry.is_symlink()
    if not link and not manifest:
        return entry.is_dir()
    try:
        status = entry.stat()
    except OSError as error:
        if manifest and link:  # any other file is deleted at this moment
            listing.files[path] = error
            listing.links[path] = None
        return False
    if link:
        listing.links[path] = stamp(status)
    if manifest and not stat.S_ISDIR(status.st_mode):
        listing.files[path] = stamp(status)
    if link and stat.S_ISDIR(status.st_mode):
        listing.linked[path] = (status.st_dev, status.st_ino)
    return stat.S_ISDIR(status.st_mode)


def find(root: Path, names: Iterable[str], listing: Listing) -> dict[str, FileStamp | None] | None:
    """Return the states of the manifests among the names, None for a deleted file.

    Returns None where other files may have changed with these.
    """
    found: dict[str, FileStamp | None] = {}
    for path in names:
        try:
            status = os.lstat(root / path)
        except FileNotFoundError:
            status = None
        except (OSError, ValueError):
            return None
        if not listing.stands(path, status):
            return None
        if _is_manifest(path.rpartition("/")[2]):
            found[path] = status and stamp(status)
    return found


def state(path: Path) -> FileStamp | None:
    """Return the stamp of a file or directory; None if there is nothing."""
    try:
        return stamp(path.stat())
    except OSError:
        return None


def identity(path: Path) -> tuple[int, int] | None:
    """Return device and inode; None if there is nothing."""
    found = state(path)
    return found and (found.device, found.inode)
