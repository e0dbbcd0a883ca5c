"""The objects to judge: from a folder, or from standard input."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from xds.cli.options import Failed
from xds.kube.decode import NOT_AN_OBJECT, decode, flatten
from xds.kube.objects import KubeObject
from xds.kube.source import SourceError
from xds.migrate.controller import Controller, controllers
from xds.problems.problem import ObjectRef, Problem
from xds.sources.folder.documents import Malformed, Parsed, parse_yaml, split
from xds.sources.folder.json_documents import parse_json
from xds.sources.folder.source import read_tree

STANDARD_INPUT = "standard input"


@dataclass(frozen=True, slots=True)
class Input:
    """The objects to judge.

    Attributes:
        objects: Of the kinds that routing needs.
        controllers: Of ingress-nginx.
        unreadable: Parts that can't be read.
        places: `FILE:LINE` of each object of a folder.
        whole: Kinds of which the input has all objects. Other objects don't exist then.
    """

    objects: tuple[KubeObject, ...]
    controllers: tuple[Controller, ...] = ()
    unreadable: tuple[Problem, ...] = ()
    places: Mapping[ObjectRef, str] = field(default_factory=dict)
    whole: frozenset[type[KubeObject]] = frozenset()


def read_folder(folder: Path) -> Input:
    """Read the manifests of a folder.

    Raises:
        Failed: there is no such folder.
    """
    try:
        tree = read_tree(folder)
    except SourceError as error:
        raise Failed(str(error)) from None
    found: list[Controller] = []
    for path in sorted(tree.listing.files):
        found += _controllers_of_file(folder / path)  # the folder's own reading keeps no Deployments
    places = {about: str(folder / place) for about, place in tree.manifests.locations().items()}
    return _completed(Input(tuple(tree.manifests.objects()), tuple(found), tree.problems, places))


def _controllers_of_file(path: Path) -> list[Controller]:
    try:
        raw = path.read_bytes()
        if b"nginx" not in raw or not (b"Deployment" in raw or b"DaemonSet" in raw):
            return []
        return list(controllers(item for each in _parsed(raw) for item in flatten(each.value)))
    except (OSError, Malformed):  # a problem of the folder's reading
        return []


def read_text(raw: bytes) -> Input:
    """Read what `kubectl get … -o yaml` or `-o json` prints.

    Raises:
        Failed: the text can't be read, or holds nothing.
    """
    objects: dict[ObjectRef, KubeObject] = {}
    unreadable: list[Problem] = []
    found: list[Controller] = []
    try:
        for parsed in _parsed(raw):
            items = list(flatten(parsed.value))
            found += controllers(items)
            for result in map(decode, items):
                if isinstance(result, Problem):
                    unreadable.append(_placed(result, parsed.line))
                elif result is not None:
                    objects.setdefault(result.ref, result)
    except Malformed as malformed:
        raise Failed(
            f"{STANDARD_INPUT}: line {malformed.line} is neither YAML nor JSON: {malformed.message}; pipe the output "
            "of kubectl get … -o yaml"
        ) from None
    if not objects and not unreadable and not found:
        raise Failed(
            f"{STANDARD_INPUT} holds no Kubernetes object; pipe the output of `kubectl get "
            "ingress,service,secret,configmap,ingressclass,deployment,daemonset -A -o yaml`"
        )
    return _completed(Input(tuple(objects.values()), tuple(found), tuple(unreadable)))


def _parsed(raw: bytes) -> Iterator[Parsed]:
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    if raw.lstrip()[:1] in (b"{", b"["):
        yield from parse_json(raw)
        return
    for line, text in split(raw):
        for each in parse_yaml(text):
            yield each._replace(line=each.line + line - 1)


def _placed(problem: Problem, line: int) -> Problem:
    about = ObjectRef("File", "", STANDARD_INPUT) if problem.object == NOT_AN_OBJECT else problem.object
    return replace(problem, object=about, location=f"{STANDARD_INPUT}:{line}")


def _completed(found: Input) -> Input:
    """The input, with each kind of its objects as whole."""
    return replace(found, whole=frozenset(map(type, found.objects)))


def read_documents(documents: Iterable[Mapping[str, Any]]) -> tuple[list[KubeObject], list[Problem]]:
    """Decode documents of an API server."""
    results = [decode(each) for each in documents]
    objects = [each for each in results if isinstance(each, KubeObject)]
    return objects, [each for each in results if isinstance(each, Problem)]
