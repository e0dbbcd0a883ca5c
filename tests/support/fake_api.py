"""A mock of the API server, with only the writers' needs: objects by path, resourceVersions, merge patches.

tests/cluster has a real API server.
"""

import asyncio
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from xds.kube.kinds import KINDS
from xds.kubeapi.interface import APPLY_PATCH, ApiUnavailable

Object = dict[str, Any]

PLURALS = {kind.plural for kind in KINDS} | {"events"}


def merge(target: Object, patch: Mapping[str, Any]) -> Object:
    """https://www.rfc-editor.org/rfc/rfc7386"""
    merged = dict(target)
    for name, value in patch.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, Mapping):
            before = merged.get(name)
            merged[name] = merge(before if isinstance(before, dict) else {}, value)
        else:
            merged[name] = value
    return merged


@dataclass
class FakeApi:
    """API server.

    Attributes:
        refuse: Answer to a request in place of the usual one, or None; may raise.
        log: Each answered request.
    """

    objects: dict[str, Object] = field(default_factory=dict)
    refuse: Callable[[str, str], tuple[int, Object] | None] = lambda _method, _path: None
    log: list[tuple[str, str, Any]] = field(default_factory=list)
    _version: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        content_type: str = "application/json",
        params: Mapping[str, str] | None = None,
        timeout: float = 10,  # noqa: ASYNC109
    ) -> tuple[int, Object]:
        await asyncio.sleep(0)
        serve: Callable[..., tuple[int, Object]] = (
            self._apply if content_type == APPLY_PATCH else getattr(self, f"_{method.lower()}")
        )
        answer = self.refuse(method, path) or serve(path, deepcopy(body), params or {})
        self.log.append((method, path, body))
        self._changed.set()
        status, found = answer
        return status, deepcopy(found)

    def put(self, path: str, document: Mapping[str, Any]) -> None:
        """As kubectl would, at once."""
        self._version += 1
        name = path.rpartition("/")[2]
        before = self.objects.get(path, {"metadata": {"uid": f"uid-{name}"}})
        versioned = {"name": name, "resourceVersion": str(self._version)}
        if "/namespaces/" in path:
            versioned["namespace"] = path.partition("/namespaces/")[2].partition("/")[0]
        self.objects[path] = merge(merge(before, document), {"metadata": versioned})

    def writes(self, part: str) -> list[tuple[str, str, Any]]:
        """The requests below a path that would change an object."""
        return [each for each in self.log if each[0] != "GET" and part in each[1]]

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until the condition holds after an answer."""
        while not condition():
            self._changed.clear()
            await self._changed.wait()

    def _get(self, path: str, _body: object, params: Mapping[str, str]) -> tuple[int, Object]:
        if path in self.objects:
            return 200, self.objects[path]
        if path.rpartition("/")[2] not in PLURALS:
            return 404, {}
        found = [each for at, each in self.objects.items() if _is_in(at, path) and _chosen(each, params)]
        start, size = int(params.get("continue", 0)), int(params.get("limit", 1000))
        more = str(start + size) if start + size < len(found) else ""
        return 200, {"items": found[start : start + size], "metadata": {"continue": more}}

    def _post(self, path: str, body: Object, _params: Mapping[str, str]) -> tuple[int, Object]:
        at = f"{path}/{body['metadata']['name']}"
        if at in self.objects:
            return 409, {}
        self.put(at, body)
        return 201, self.objects[at]

    def _patch(self, path: str, body: Object, params: Mapping[str, str]) -> tuple[int, Object]:
        at = path.removesuffix("/status")
        if at not in self.objects:
            return 404, {}
        version = body.get("metadata", {}).get("resourceVersion")
        if version and version != self.objects[at]["metadata"]["resourceVersion"]:
            return 409, {}
        if manager := params.get("fieldManager"):
            body = merge(body, {"metadata": {"managedFields": managed(manager)}})
        self.put(at, body)
        return 200, self.objects[at]

    def _apply(self, path: str, body: Object, _params: Mapping[str, str]) -> tuple[int, Object]:
        """Server-side apply, with one manager of all fields."""
        status, before = (
            (200, self.objects[path]) if path in self.objects else (201, {"metadata": {"uid": f"u-{self._version}"}})
        )
        self.objects[path] = {"metadata": {"uid": before["metadata"]["uid"]}}
        self.put(path, body)
        return status, self.objects[path]

    def _delete(self, path: str, body: Object, _params: Mapping[str, str]) -> tuple[int, Object]:
        if path not in self.objects:
            return 404, {}
        if body.get("preconditions", {}).get("uid") != self.objects[path]["metadata"]["uid"]:
            return 409, {}
        del self.objects[path]
        return 200, {}


def managed(manager: str) -> list[Object]:
    """`metadata.managedFields` after a manager's write to the status of an Ingress."""
    fields: Object = {"f:status": {"f:loadBalancer": {"f:ingress": {}}}}
    return [{"manager": manager, "subresource": "status", "fieldsV1": fields}]


def _is_in(path: str, collection: str) -> bool:
    """Whether a path is in a collection, of one namespace or of the cluster."""
    group, _, resource = collection.rpartition("/")
    return path.startswith(group) and path.split("/")[-2] == resource


def _chosen(found: Object, params: Mapping[str, str]) -> bool:
    label = params.get("labelSelector", "")
    if label and label not in (found["metadata"].get("labels") or {}):
        return False
    field_, _, value = params.get("fieldSelector", "").partition("=")
    place = found["metadata"] if field_ == "metadata.name" else found
    return not field_ or place.get(field_.removeprefix("metadata.")) == value


def unavailable(_method: str, _path: str) -> tuple[int, Object]:
    raise ApiUnavailable("no answer in time")
