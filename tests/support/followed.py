"""A folder of manifests, and a follower that applies the changes of the folder source."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from pathlib import Path

from tests.support.waiting import WAIT_LIMIT_SECONDS
from xds.kube.change import Applied, Batch, Change, Deleted, Listed, Reported
from xds.kube.objects import KubeObject, Service
from xds.problems.problem import Problem
from xds.sources.folder.manifests import Identity


def service(name: str, port: object = 80) -> str:
    return f"apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{ports: [{{port: {port}}}]}}\n"


def save(path: Path, text: str) -> None:
    """Write the file atomically, so that a busy machine never reads half a file."""
    path.with_suffix(".tmp").write_text(text)
    path.with_suffix(".tmp").rename(path)


def refuse(path: Path) -> None:
    raise PermissionError(13, "Permission denied", str(path))


class Follower:
    """Applies the batches of a folder."""

    def __init__(self, batches: AsyncIterator[Batch]) -> None:
        self.batches = batches
        self.objects: dict[Identity, KubeObject] = {}
        self.problems: tuple[Problem, ...] = ()

    async def next(self) -> Batch:
        async with asyncio.timeout(WAIT_LIMIT_SECONDS):
            batch = await anext(self.batches)
        for change in batch.changes:
            match change:
                case Applied(object=each):
                    assert self.objects.get((type(each), each.key)) != each, "nothing is said twice"
                    self.objects[type(each), each.key] = each
                case Deleted(kind=kind, key=key):
                    del self.objects[kind, key]
                case Reported(problems=problems):
                    self.problems = problems
                case Listed():
                    pass
        return batch

    @property
    def ports(self) -> dict[str, int]:
        return ports(self.objects.values())

    @property
    def reasons(self) -> list[str]:
        return [problem.reason for problem in self.problems]

    async def until(self, expected: dict[str, int], *reasons: str) -> None:
        while (self.ports, self.reasons) != (expected, list(reasons)):
            await self.next()


Follow = Callable[[Path], Awaitable[Follower]]


def ports(objects: object) -> dict[str, int]:
    assert hasattr(objects, "__iter__")
    return {each.metadata.name: (each.spec.ports or ())[0].port for each in objects if isinstance(each, Service)}


def note(said: dict[Identity, KubeObject], changes: Collection[Change]) -> None:
    for each in changes:
        if isinstance(each, Applied):
            said[type(each.object), each.object.key] = each.object
        elif isinstance(each, Deleted):
            del said[each.kind, each.key]
