"""What is in a folder of manifests: names and states of files, nothing of what they hold."""

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from xds.steps import Steps

SUFFIXES = (".yaml", ".yml", ".json")


class FileStamp(NamedTuple):
    """What tells one state of a file from another. Times are in nanoseconds of the system's clock."""

    device: int
    inode: int
    size: int
    mtime: int
    ctime: int


def stamp(status: os.stat_result) -> FileStamp:
    return FileStamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)


@dataclass(slots=True)
class Listing:
    """What is in the folder. Paths are from the folder, which is "" itself."""

    files: dict[str, FileStamp | OSError] = field(default_factory=dict)
    directories: set[str] = field(default_factory=set)
    unread: dict[str, OSError] = field(default_factory=dict)  # directories
    links: dict[str, FileStamp | None] = field(default_factory=dict)
    linked: dict[str, tuple[int, int]] = field(default_factory=dict)  # directories behind links: device, inode

    def covers(self, path: str) -> bool:
        """Is the path in a directory that could not be read?"""
        return any(not each or path.startswith(f"{each}/") for each in self.unread)

    def stands(self, path: str, now: os.stat_result | None) -> bool:
        """Does all else stay as it is listed when this path changes? `now` is its own state; None: nothing is there.

        Not so for directories, and where a file may have several names.
        """
        directory, _, _ = path.rpartition("/")
        if self.links or self.unread or path in self.directories or directory not in self.directories:
            return False
        return now is None or (not stat.S_ISDIR(now.st_mode) and not stat.S_ISLNK(now.st_mode) and now.st_nlink == 1)


def list_folder(root: Path) -> Steps[Listing]:
    """Every manifest in the folder and below, hidden names aside.

    A directory is read once, by the first path that leads to it: links may go in circles.
    """
    listing, seen = Listing(), set[tuple[int, int] | None]()
    pending = [""]
    while pending:
        directory = pending.pop()
        try:
            if (found := identity(root / directory)) in seen:
                continue
            seen.add(found)
            inside = yield from _entries(root / directory)
        except OSError as error:
            if not directory or not isinstance(error, FileNotFoundError):
                listing.unread[directory] = error
            continue
        listing.directories.add(directory)
        prefix = f"{directory}/" if directory else ""
        below = []
        for entry in inside:
            if _note(entry, prefix + entry.name, listing):
                below.append(prefix + entry.name)
            yield
        pending += reversed(below)
    return listing


def _entries(directory: Path) -> Steps[list[os.DirEntry[str]]]:
    """By name."""
    found = []
    with os.scandir(directory) as entries:
        for entry in entries:
            found.append(entry)
            yield
    return sorted(found, key=lambda entry: entry.name)


def _is_manifest(name: str) -> bool:
    return name.endswith(SUFFIXES) and not name.startswith(".")


def _note(entry: os.DirEntry[str], path: str, listing: Listing) -> bool:
    """Puts what a directory holds into the listing; True if it is a directory itself."""
    if entry.name.startswith("."):
        return False
    manifest = _is_manifest(entry.name)
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
        listing.links[path] = stamp(status)
    if manifest and not stat.S_ISDIR(status.st_mode):
        listing.files[path] = stamp(status)
    if link and stat.S_ISDIR(status.st_mode):
        listing.linked[path] = (status.st_dev, status.st_ino)
    return stat.S_ISDIR(status.st_mode)


def find(root: Path, names: Iterable[str], listing: Listing) -> dict[str, FileStamp | None] | None:
    """The states of the manifests among the names (None: it is gone); None if more than they may have changed."""
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
    """None if there is nothing."""
    try:
        return stamp(path.stat())
    except OSError:
        return None


def identity(path: Path) -> tuple[int, int] | None:
    """Device and inode; None if there is nothing."""
    found = state(path)
    return found and (found.device, found.inode)
