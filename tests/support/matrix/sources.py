"""Places of objects for `xds serve`: a folder, and an API server. Objects are applied in a careful user's order, so
that no Ingress comes before the objects that it names.
"""

import contextlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from tests.support.cluster import ApiError, Cluster
from tests.support.matrix.case import Manifest, identity

ORDER: Final = ("IngressClass", "Secret", "Service", "EndpointSlice", "Ingress")
GROUPS: Final = {
    "Secret": "/api/v1",
    "Service": "/api/v1",
    "EndpointSlice": "/apis/discovery.k8s.io/v1",
    "Ingress": "/apis/networking.k8s.io/v1",
}


class Source(Protocol):
    @property
    def flags(self) -> Sequence[str | Path]:
        """Of `xds serve`."""
        ...

    async def apply(self, objects: Iterable[Manifest]) -> None: ...

    async def delete(self, objects: Iterable[Manifest]) -> None: ...


def _ordered(objects: Iterable[Manifest]) -> list[Manifest]:
    return sorted(objects, key=lambda each: ORDER.index(each["kind"]))


@dataclass(frozen=True, slots=True)
class Folder:
    """A file for each object, placed by rename."""

    path: Path
    namespace: str

    @property
    def flags(self) -> Sequence[str | Path]:
        return "--from", self.path

    async def apply(self, objects: Iterable[Manifest]) -> None:
        for each in _ordered(objects):
            new = self.path.with_name("new.json")
            new.write_text(json.dumps(_in(self.namespace, each)))
            new.rename(self._file(each))

    async def delete(self, objects: Iterable[Manifest]) -> None:
        for each in reversed(_ordered(objects)):
            self._file(each).unlink(missing_ok=True)

    def _file(self, each: Manifest) -> Path:
        kind, name = identity(each)
        return self.path / f"{kind}-{name[:200]}.json"


@dataclass(frozen=True, slots=True)
class Api:
    """A namespace of an API server. `flags`: the flags of `xds serve` for the namespace."""

    cluster: Cluster
    namespace: str
    flags: Sequence[str | Path]

    async def apply(self, objects: Iterable[Manifest]) -> None:
        """Raises:
        ApiError: The API server rejected an object.
        """
        for each in _ordered(objects):
            placed = _in(self.namespace, each)
            try:
                await self.cluster.request("PUT", f"{self._collection(each)}/{each['metadata']['name']}", placed)
            except ApiError as error:
                if error.status != 404:
                    raise
                await self.cluster.request("POST", self._collection(each), placed)

    async def delete(self, objects: Iterable[Manifest]) -> None:
        for each in reversed(_ordered(objects)):
            with contextlib.suppress(ApiError):  # the object is missing already
                await self.cluster.request("DELETE", f"{self._collection(each)}/{each['metadata']['name']}")

    def _collection(self, each: Manifest) -> str:
        plural = {"Ingress": "ingresses"}.get(each["kind"], f"{each['kind'].lower()}s")
        return f"{GROUPS[each['kind']]}/namespaces/{self.namespace}/{plural}"


def _in(namespace: str, each: Manifest) -> Manifest:
    return {**each, "metadata": {**each["metadata"], "namespace": namespace}}
