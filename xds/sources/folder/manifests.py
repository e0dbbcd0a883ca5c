"""Manifest files: text becomes objects and problems.

Pure. A file is parsed in pieces (YAML documents), and an unchanged piece is not parsed again. A broken file keeps
objects it gave before: an object that no longer decodes stays as it was last; a piece that doesn't parse could hold any
object, so every earlier object of the file stays.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Final, NamedTuple, TypeAlias

from xds.kube.change import Applied, Change, Deleted
from xds.kube.decode import NOT_AN_OBJECT, decode, flatten
from xds.kube.objects import KubeObject
from xds.problems.field_path import FieldPath
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.sources.folder.documents import (
    MAX_ALIASED_BYTES,
    MAX_DOCUMENTS,
    Malformed,
    parse_yaml,
    split,
    too_many,
    too_much_aliased,
)
from xds.sources.folder.endpoints import mirrored
from xds.sources.folder.json_documents import parse_json
from xds.sources.folder.templates import template_in_text, template_in_value, unrendered

MAX_FILE_BYTES: Final = 16 * 2**20
"""A larger file is not read. The API server takes 3 MiB a request, etcd 1.5 MiB an object."""

MAX_ALIASED_RATIO: Final = 16
"""Aliases may add MAX_ALIASED_BYTES and so many times the file's size to a file of many documents."""

Identity: TypeAlias = tuple[type[KubeObject], Key]
Objects: TypeAlias = dict[Identity, KubeObject]


class Entry(NamedTuple):
    """A place for an object in a file.

    Attributes:
        line: The first line of the document, from 1.
        result: The object, or the problem with the document; None: an object of a kind that routing does not need.
    """

    line: int
    result: KubeObject | Problem | None

    def moved(self, lines: int) -> "Entry":
        return Entry(self.line + lines, self.result)


@dataclass(frozen=True, slots=True)
class Piece:
    """A YAML document, or a JSON file.

    Attributes:
        entries: Lines count from the piece's own first line.
        broken: Whether the piece doesn't parse, so that its objects are unknown.
        aliased: The bytes added by aliases, as in `Parsed`.
    """

    entries: tuple[Entry, ...]
    broken: bool = False
    aliased: int = 0


@dataclass(frozen=True, slots=True)
class File:
    """A parsed file.

    Attributes:
        path: From the folder.
        objects: Each with its line; after the present objects, in order, follow earlier ones kept for a broken part.
        problems: Of the file and its documents.
        pieces: The pieces by digest of their text.
        others: Number of objects of kinds that routing does not need.
    """

    path: str
    objects: tuple[tuple[int, KubeObject], ...] = ()
    problems: tuple[Problem, ...] = ()
    pieces: Mapping[bytes, Piece] = field(default_factory=dict)
    others: int = 0


class Place(NamedTuple):
    """The place of an object: the file's path, and the object's index in the file."""

    path: str
    at: int


def printable(path: str) -> str:
    """Return the path with every unprintable character escaped, fit for a terminal."""
    text = path.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def read_file(
    path: str, raw: bytes, before: File | None = None, *, is_json: bool | None = None, limit: int = MAX_FILE_BYTES
) -> File:
    """Decode a file.

    Args:
        path: From the folder.
        raw: The contents.
        before: The file as it was; None for a new one.
        is_json: Whether the file is JSON, not YAML; None: if the path ends in `.json`.
        limit: Most bytes.
    """
    is_json = path.endswith(".json") if is_json is None else is_json
    if len(raw) > limit:
        remedy = f"Split the file: a file may have {limit} bytes."
        return unreadable(path, Reason.TOO_LARGE, "The file is too large.", remedy, before)
    try:
        pieces = _pieces(raw, before.pieces if before else {}, is_json=is_json)
    except Malformed as malformed:
        reason = Reason.MALFORMED_FILE
        return unreadable(path, reason, f"The file has {malformed.message}.", reason.remedy, before)
    entries = [entry.moved(line - 1) for line, _, piece in pieces for entry in piece.entries]
    objects = [(line, result) for line, result in entries if isinstance(result, KubeObject)]
    problems = tuple(_located(path, line, result) for line, result in entries if isinstance(result, Problem))
    if problems and before:
        objects += _kept(objects, problems, before, everything=any(piece.broken for _, _, piece in pieces))
    others = sum(result is None for _, result in entries)
    return File(path, tuple(objects), problems, {digest: piece for _, digest, piece in pieces}, others)


def unreadable(path: str, reason: Reason, message: str, remedy: str, before: File | None) -> File:
    """Return the file as it was last, with a problem that the file can't be read now."""
    name = printable(path)
    problem = Problem(ObjectRef("File", "", name), reason, message, remedy, location=name)
    return replace(before or File(path), problems=(problem,))


def _pieces(raw: bytes, known: Mapping[bytes, Piece], *, is_json: bool) -> list[tuple[int, bytes, Piece]]:
    """Split the file into pieces with first line and digest, and parse unknown pieces."""
    pieces: list[tuple[int, bytes, Piece]] = []
    total, aliased = 0, 0
    for line, text in texts(raw, is_json=is_json):
        digest = blake2b(text, digest_size=16).digest()
        piece = known.get(digest) or _read_piece(text, is_json=is_json)
        total += len(piece.entries)
        if total > MAX_DOCUMENTS:
            raise too_many(line)
        aliased += piece.aliased
        if aliased > MAX_ALIASED_BYTES + MAX_ALIASED_RATIO * len(raw):
            raise too_much_aliased(line)
        pieces.append((line, digest, piece))
    return pieces


def texts(raw: bytes, *, is_json: bool) -> Iterator[tuple[int, bytes]]:
    """The texts of the pieces, each with its first line."""
    raw = raw.removeprefix(b"\xef\xbb\xbf")  # the byte order mark of Windows' editors
    if is_json:
        yield 1, raw
        return
    yield from split(raw)


def _read_piece(text: bytes, *, is_json: bool) -> Piece:
    parse = parse_json if is_json else parse_yaml
    entries: list[Entry] = []
    aliased = 0
    try:
        for count, parsed in enumerate(parse(text)):
            if max(count, len(entries)) >= MAX_DOCUMENTS:
                raise too_many(parsed.line)
            entries += _entries(parsed.line, parsed.value)
            aliased = parsed.aliased
    except Malformed as malformed:
        if template := template_in_text(text, malformed.line):
            return Piece((Entry(template.line, unrendered(template, malformed.message)),), broken=True)
        message = f"This is not {'JSON' if is_json else 'YAML'} that can be read: {malformed.message}."
        problem = Problem(NOT_AN_OBJECT, Reason.MALFORMED_FILE, message, Reason.MALFORMED_FILE.remedy)
        return Piece((Entry(malformed.line, problem),), broken=True)
    return Piece(tuple(entries), aliased=aliased)


def _entries(line: int, document: object) -> Iterator[Entry]:
    documents = (each for item in flatten(document) for each in mirrored(item))
    for count, item in enumerate(documents):
        if count >= MAX_DOCUMENTS:
            raise too_many(line)
        result = decode(item)
        if isinstance(result, Problem) and (template := template_in_value(item)):
            result = unrendered(template)
        if result is not None or item is not None:
            yield Entry(line, result)


def _located(path: str, line: int, problem: Problem) -> Problem:
    reference = ObjectRef("File", "", printable(path)) if problem.object == NOT_AN_OBJECT else problem.object
    return replace(problem, object=reference, location=_location(path, line))


def _location(path: str, line: int) -> str:
    return f"{printable(path)}:{line}"


def _kept(
    given: Iterable[tuple[int, KubeObject]], problems: Iterable[Problem], before: File, *, everything: bool
) -> list[tuple[int, KubeObject]]:
    """Return the earlier objects of the file that stay because of a broken part.

    Args:
        given: The present objects.
        problems: The present problems.
        before: The file as it was.
        everything: Whether any earlier object may be in a broken piece.
    """
    present = {each.ref for _, each in given}
    broken = {problem.object for problem in problems}
    return [
        (line, each) for line, each in before.objects if each.ref not in present and (everything or each.ref in broken)
    ]


class Manifests:
    """The objects and problems of all files together.

    Of objects with the same kind and name, the first by path and line counts.
    """

    def __init__(self) -> None:
        self._files: dict[str, File] = {}
        self._places: dict[Identity, list[Place]] = {}
        self._problems: dict[str, tuple[Problem, ...]] = {}  # without files that have none

    def file(self, path: str) -> File | None:
        return self._files.get(path)

    @property
    def empty(self) -> bool:
        """Whether no file has an object."""
        return not self._places

    def all_within(self, paths: Iterable[str]) -> Objects:
        """Return all objects in use if no other file holds an object, else none. Costs the size of these files."""
        files = filter(None, map(self._files.get, paths))
        if sum(len(file.objects) for file in files) < len(self._places):
            return {}
        return {identity: self._at(places[0])[1] for identity, places in self._places.items()}

    def objects(self) -> list[KubeObject]:
        """Return the objects that count, in the order of files."""
        return [self._at(place)[1] for place in sorted(places[0] for places in self._places.values())]

    def locations(self) -> dict[ObjectRef, str]:
        """Return the place of each object that counts: `FILE:LINE`."""
        first = {places[0]: self._at(places[0]) for places in self._places.values()}
        return {each.ref: _location(place.path, line) for place, (line, each) in first.items()}

    def problems(self) -> tuple[Problem, ...]:
        """Return all problems, in the order of files."""
        return tuple(problem for path in sorted(self._problems) for problem in self._problems[path])

    def update(self, files: Mapping[str, File | None]) -> list[Change]:
        """Take files as they are now (None: deleted) by path, and return what changed.

        Costs the size of these files, and of other files with the same objects.
        """
        both = [file for path in sorted(files) for file in (files[path], self._files.get(path)) if file]
        touched = dict.fromkeys(identity for file in both for identity in _identities(file))
        before = self._first(touched)
        for path, new in files.items():
            self._put(path, new)
        rivals = {place.path for identity in touched for place in self._places.get(identity, ())}
        for path in rivals.union(files):
            self._note(path)
        return difference(before, self._first(touched))

    def _at(self, place: Place) -> tuple[int, KubeObject]:
        return self._files[place.path].objects[place.at]

    def _first(self, identities: Iterable[Identity]) -> Objects:
        """Return the objects that count; none for an identity without object."""
        return {each: self._at(self._places[each][0])[1] for each in identities if each in self._places}

    def _put(self, path: str, file: File | None) -> None:
        before = self._files.pop(path, None)
        here: dict[Identity, list[Place]] = {identity: [] for identity in _identities(before)}
        for index, identity in enumerate(_identities(file)):
            here.setdefault(identity, []).append(Place(path, index))
        for identity, places in here.items():
            elsewhere = [place for place in self._places.pop(identity, ()) if place.path != path]
            if elsewhere or places:
                self._places[identity] = sorted(elsewhere + places)
        if file:
            self._files[path] = file

    def _note(self, path: str) -> None:
        file = self._files.get(path)
        problems = (*file.problems, *self._duplicates(file)) if file else ()
        if problems:
            self._problems[path] = problems
        else:
            self._problems.pop(path, None)

    def _duplicates(self, file: File) -> Iterator[Problem]:
        for index, (line, each) in enumerate(file.objects):
            first = self._places[type(each), each.key][0]
            if first != (file.path, index):
                yield _duplicate(each, _location(first.path, self._at(first)[0]), _location(file.path, line))


def _identities(file: File | None) -> Iterator[Identity]:
    return ((type(each), each.key) for _, each in (file.objects if file else ()))


def _duplicate(each: KubeObject, first: str, here: str) -> Problem:
    message = f"{each.ref} is in {first} already; the one in {here} is ignored."
    reason = Reason.DUPLICATE_OBJECT
    return Problem(each.ref, reason, message, reason.remedy, FieldPath.of("metadata", "name"), here)


def difference(before: Objects, after: Objects) -> list[Change]:
    """Return the changes: first new and replaced objects, then deleted ones."""
    changes: list[Change] = []
    for identity, each in after.items():
        was = before.get(identity)
        if was is not each and was != each:
            changes.append(Applied(each))
    changes += (Deleted(*identity) for identity in before if identity not in after)
    return changes
