"""Manifests of several sources, read once: files, folders and standard input, as one set of objects."""

import contextlib
import re
import shlex
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import yaml

from xds.kube.objects import Ingress
from xds.kube.source import SourceError
from xds.problems.problem import ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.sources.folder.documents import Malformed
from xds.sources.folder.listing import SUFFIXES, list_folder
from xds.sources.folder.manifests import MAX_FILE_BYTES, File, Manifests, printable, read_file, texts, unreadable
from xds.sources.folder.marks import nodes, repeated_keys
from xds.sources.folder.positions import Text
from xds.sources.folder.templates import template_in_ingress, unrendered
from xds.sources.folder.tree import contents

STANDARD_INPUT: Final = "<stdin>"
"""The name of standard input in places."""

STANDARD_INPUT_SOURCES: Final = frozenset({"-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0"})

MAX_INPUT_BYTES: Final = 128 * 2**20
"""Of standard input, where `kubectl get` may write all objects of a cluster."""

MAX_CHART_DEPTH: Final = 4
"""Folders around a template in which its chart is looked for."""

_KUSTOMIZATIONS: Final = ("kustomization.yaml", "kustomization.yml", "Kustomization")

_JSON: Final = re.compile(rb"\s*(?:\{\s*[\"}]|\[\s*[\[{\]])")


@dataclass(frozen=True, slots=True)
class Reading:
    """The objects of all sources.

    Attributes:
        manifests: The objects, with places from the working directory.
        problems: Of files and documents.
        texts: The contents by path, as places name the path.
        others: Number of objects of kinds that routing does not need.
    """

    manifests: Manifests
    problems: tuple[Problem, ...]
    texts: Mapping[str, Text]
    others: int

    @property
    def objects(self) -> int:
        """Number of objects of any kind."""
        return len(self.manifests.objects()) + self.others


def read_sources(sources: Iterable[str], standard_input: Callable[[int], bytes]) -> Reading:
    """Read all sources. A file that several sources name is read once.

    Args:
        sources: Files, folders, and - for standard input.
        standard_input: Reads standard input, so many bytes at most.

    Raises:
        SourceError: a source doesn't exist, or can't be read.
    """
    found: dict[str, File] = {}
    read: dict[str, Text] = {}
    folders: list[Problem] = []
    for source in sources:
        for path, result in _contents(source, standard_input):
            name = printable(path)
            if isinstance(result, Problem):
                folders.append(result)
            elif isinstance(result, OSError):
                words = f"The file can't be read: {result.strerror or result}."
                found[path] = unreadable(path, Reason.UNREADABLE_FILE, words, Reason.UNREADABLE_FILE.remedy, None)
            elif path not in found:
                found[path], is_json = _file(path, result)
                read[name] = Text(result, is_json)
    manifests = Manifests()
    manifests.update(found)
    problems = (*folders, *map(_once, manifests.problems()))
    return Reading(manifests, problems, read, sum(each.others for each in found.values()))


def _contents(source: str, standard_input: Callable[[int], bytes]) -> Iterator[tuple[str, bytes | OSError | Problem]]:
    """The contents of each file of a source, or the problem of a folder, by path from the working directory."""
    if source in STANDARD_INPUT_SOURCES:
        yield STANDARD_INPUT, standard_input(MAX_INPUT_BYTES + 1)
        return
    root = Path(source)
    try:
        mode = root.stat().st_mode
        if not stat.S_ISDIR(mode):
            yield str(root), _file_contents(root, mode)
            return
        next(root.iterdir(), None)
    except (FileNotFoundError, NotADirectoryError):
        raise SourceError(f"{source}: there is no such file or folder; check the name") from None
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or error
        raise SourceError(f"{source}: can't be read ({words}); make it readable, or name another") from None
    listing = list_folder(root)
    for path, failure in listing.unread.items():
        yield str(root / path), _unread(str(root / path), failure)
    for path, now in sorted(listing.files.items()):
        try:
            yield str(root / path), now if isinstance(now, OSError) else contents(root / path)[0]
        except OSError as error:
            yield str(root / path), error


def _file_contents(path: Path, mode: int) -> bytes:
    """The contents of a file, or of a pipe up to its end."""
    if stat.S_ISREG(mode):
        return contents(path)[0]
    with path.open("rb") as pipe:
        return pipe.read(MAX_FILE_BYTES + 1)


def _unread(path: str, error: OSError) -> Problem:
    name = printable(path)
    message = f"The folder can't be read: {error.strerror or error}."
    return Problem(
        ObjectRef("File", "", name), Reason.UNREADABLE_FOLDER, message, "Make the folder readable.", location=name
    )


def _file(path: str, raw: bytes) -> tuple[File, bool]:
    """The file, and whether its text is JSON."""
    named = path.endswith(SUFFIXES)
    is_json = path.endswith(".json") if named else _JSON.match(raw) is not None
    limit = MAX_INPUT_BYTES if path == STANDARD_INPUT else MAX_FILE_BYTES
    file = read_file(path, raw, is_json=is_json, limit=limit)
    if is_json and not named and any(each.broken for each in file.pieces.values()):
        other = read_file(path, raw, is_json=False, limit=limit)
        if not any(each.broken for each in other.pieces.values()):
            file, is_json = other, False
    if not is_json and len(raw) <= MAX_FILE_BYTES:  # a larger text is written by a program, which repeats no key
        file = replace(file, problems=(*file.problems, *_repeated(path, raw)))
    return _with_render_command(_without_unrendered(file)), is_json


def _repeated(path: str, raw: bytes) -> Iterator[Problem]:
    """The problems of keys that a mapping has twice. Text that is no YAML has another problem."""
    name, reason = printable(path), Reason.DUPLICATE_KEY
    with contextlib.suppress(Malformed, yaml.YAMLError):
        for line, text in texts(raw, is_json=False):
            with contextlib.suppress(yaml.YAMLError):
                for key, first in (each for root in nodes(text) for each in repeated_keys(root)):
                    known = first.position.line + line - 1
                    message = f"The key {shown(key.text or '')} is in line {known}, too; the last one counts."
                    place = f"{name}:{key.position.line + line - 1}"
                    yield Problem(ObjectRef("File", "", name), reason, message, reason.remedy, location=place)


def _without_unrendered(file: File) -> File:
    """The file without the Ingresses that are templates, each of which is a problem instead."""
    kept, problems = [], list(file.problems)
    for line, each in file.objects:
        template = template_in_ingress(each) if isinstance(each, Ingress) else None
        if template is None:
            kept.append((line, each))
            continue
        name = printable(file.path)
        problems.append(replace(unrendered(template), object=ObjectRef("File", "", name), location=f"{name}:{line}"))
    return replace(file, objects=tuple(kept), problems=tuple(problems))


def _with_render_command(file: File) -> File:
    """The file, with the command that renders its chart or kustomization as the remedy."""
    about = {Reason.UNRENDERED_TEMPLATE, Reason.NOT_AN_OBJECT}
    if file.path == STANDARD_INPUT or about.isdisjoint(each.reason for each in file.problems):
        return file
    command = _renderer(Path(file.path))
    if not command:
        return file
    remedy = f"Render it first: {command} | xds lint -"
    wanted = {Reason.NOT_AN_OBJECT} if command.startswith("kustomize") else about
    problems = (replace(each, remedy=remedy) if each.reason in wanted else each for each in file.problems)
    return replace(file, problems=tuple(problems))


def _renderer(path: Path) -> str:
    """The command that renders the chart or the kustomization around a file; empty without one."""
    folders = (path.parent, *path.parent.parents)[:MAX_CHART_DEPTH]
    for folder in folders:
        if (folder / "Chart.yaml").is_file():
            return f"helm template {shlex.quote(printable(str(folder)))}"
    if any((path.parent / each).is_file() for each in _KUSTOMIZATIONS):
        return f"kustomize build {shlex.quote(printable(str(path.parent)))}"
    return ""


def _once(problem: Problem) -> Problem:
    """The problem, with a remedy that fits a single reading."""
    remedy, until, _ = problem.remedy.partition("; until then,")
    return replace(problem, remedy=f"{remedy}.") if until else problem
