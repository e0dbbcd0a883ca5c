"""A mock of the API server's lists and watches, with rare faults on command.

Faults: streams reset in the middle of a line, 410 in the middle of a watch, expired continue tokens, 401, 403, invalid
objects, silence, an older copy of the storage. A real API server is tested in tests/cluster. Every write raises a
number in the object, by which a test recognizes the version.
"""

import asyncio
import base64
import json
from collections import defaultdict, deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

from xds.kube.gateway_objects import (
    GATEWAY_KINDS,
    GROUP,
    BackendTLSPolicy,
    Gateway,
    GatewayClass,
    GatewayObject,
    ListenerSet,
    Namespace,
)
from xds.kube.kinds import KINDS
from xds.kube.objects import ConfigMap, EndpointSlice, Ingress, IngressClass, KubeObject, Secret, Service
from xds.problems.problem import Key

Object = dict[str, Any]
Fault = Callable[[web.Request], Awaitable[web.StreamResponse | None]]

PLURALS = {kind.plural: kind for kind in KINDS}


def status(code: int, message: str = "", reason: str = "") -> Object:
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "code": code, "reason": reason, "message": message}


def refuse(code: int, message: str = "") -> Fault:
    """Return a fault that answers a request with the status."""

    async def fault(_: web.Request) -> web.StreamResponse:
        return web.json_response(status(code, message), status=code)

    return fault


@dataclass(frozen=True)
class Write:
    revision: int
    event: str
    kind: type[KubeObject]
    key: Key
    object: Object


@dataclass(eq=False)
class Stream:
    """An open watch."""

    kind: type[KubeObject]
    response: web.StreamResponse
    orders: deque[bytes | None] = field(default_factory=deque)


class StreamHealth:
    """An event for any number of waiters."""

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def set(self) -> None:
        self._event.set()
        self._event = asyncio.Event()

    def next(self) -> asyncio.Event:
        return self._event


class WatchedApi:
    """Serves on a free port from the start of `async with` to the end.

    Attributes:
        faults: Handlers for the next requests of a kind, used once each; a fault may decline to answer.
        streams_lists: Whether sendInitialEvents is known.
        page: The most objects in a page.
        token: A request without the token gets 401.
        missing_namespaces: All other namespaces exist.
        silent: Whether watches say nothing more.
        installed: The kinds of the Gateway API that are served.
        beta: Those that are served in version v1beta1 alone.
        discoveries: Number of requests that asked for these kinds.
        discovery_faults: Handlers for the next of these requests, used once each.
        connections: Of the watch requests, in order.
    """

    def __init__(self) -> None:
        self.objects: dict[type[KubeObject], dict[Key, Object]] = {kind: {} for kind in PLURALS.values()}
        self.history: list[Write] = []
        self.revision = 10
        self.compacted = 0
        self.streams: list[Stream] = []
        self.requests: list[tuple[type[KubeObject], dict[str, str]]] = []
        self.faults: dict[type[KubeObject], deque[Fault]] = defaultdict(deque)
        self.streams_lists = True
        self.page = 500
        self.token = ""
        self.missing_namespaces: set[str] = set()
        self.silent = False
        self.installed: set[type[KubeObject]] = set()
        self.beta: set[type[KubeObject]] = set()
        self.discoveries = 0
        self.discovery_faults: deque[Fault] = deque()
        self.connections: dict[type[KubeObject], list[object]] = defaultdict(list)
        self.url = ""
        self._changed = StreamHealth()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get("/{root:apis/[^/]+/v1beta1|apis/[^/]+/v1|api/v1}/namespaces/{namespace}/{plural}", self._get)
        app.router.add_get("/api/v1/namespaces/{namespace}", self._get_namespace)
        app.router.add_get("/{root:apis/[^/]+/v1beta1|apis/[^/]+/v1|api/v1}/{plural}", self._get)
        app.router.add_get(f"/apis/{GROUP}/{{version}}", self._discover)
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.01)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.cut()
        await self._runner.cleanup()

    async def _get_namespace(self, request: web.Request) -> web.Response:
        name = request.match_info["namespace"]
        if name in self.missing_namespaces:
            return web.json_response(status(404, f'namespaces "{name}" not found'), status=404)
        return web.json_response({"kind": "Namespace", "metadata": {"name": name}})

    async def _discover(self, request: web.Request) -> web.StreamResponse:
        is_beta = request.match_info["version"] == "v1beta1"
        if not is_beta:
            self.discoveries += 1
            if self.discovery_faults and (answer := await self.discovery_faults.popleft()(request)) is not None:
                return answer
        kinds = self.beta if is_beta else self.installed - self.beta
        if not kinds:
            return web.json_response(status(404, "404 page not found"), status=404)
        names = (name for kind in kinds for name in (kind.plural, f"{kind.plural}/status"))
        return web.json_response({"kind": "APIResourceList", "resources": [{"name": name} for name in names]})

    def serves(self, kind: type[KubeObject]) -> bool:
        return kind in self.installed or kind not in GATEWAY_KINDS or kind is Namespace

    # Changes of objects.

    def write(self, kind: type[KubeObject], name: str, namespace: str = "default", **fields: Any) -> int:
        """Create or replace the object. Returns the number of the new version."""
        self.revision += 1
        key = Key(namespace if kind.namespaced else "", name)
        metadata = {"name": key.name, "namespace": key.namespace, "resourceVersion": str(self.revision)}
        if kind is EndpointSlice:
            metadata["labels"] = {"kubernetes.io/service-name": "web"}  # type: ignore[assignment]
        elif kind in GATEWAY_KINDS:
            metadata["labels"] = {"number": str(self.revision)}  # type: ignore[assignment]
        made = {"metadata": metadata, **_content(kind, self.revision), **fields}
        type_ = "MODIFIED" if key in self.objects[kind] else "ADDED"
        self.objects[kind][key] = made
        self._record(Write(self.revision, type_, kind, key, made))
        return self.revision

    def delete(self, kind: type[KubeObject], name: str, namespace: str = "default") -> None:
        key = Key(namespace if kind.namespaced else "", name)
        if (last := self.objects[kind].pop(key, None)) is None:
            return
        self.revision += 1
        metadata = {**last["metadata"], "resourceVersion": str(self.revision)}
        self._record(Write(self.revision, "DELETED", kind, key, {**last, "metadata": metadata}))

    def _record(self, write: Write) -> None:
        self.history.append(write)
        self._changed.set()

    def restore(self, revision: int) -> None:
        """Bring back the objects of that revision, as a restore of etcd does. Open watches say nothing of this."""
        self.history = [each for each in self.history if each.revision <= revision]
        self.objects = {kind: {} for kind in PLURALS.values()}
        for write in self.history:
            if write.event == "DELETED":
                del self.objects[write.kind][write.key]
            else:
                self.objects[write.kind][write.key] = write.object
        self.revision = revision

    # Faults of watches.

    def compact(self) -> None:
        """Answer 410 to older versions from now on."""
        self.compacted = self.revision

    def say(self, line: bytes | Object, kind: type[KubeObject] | None = None) -> None:
        """Send a line on the watches of the kind, or on every watch."""
        text = line if isinstance(line, bytes) else json.dumps(line).encode() + b"\n"
        for stream in self.watches(kind):
            stream.orders.append(text)
        self._changed.set()

    def end(self, kind: type[KubeObject] | None = None) -> None:
        """End the watches as at timeoutSeconds."""
        for stream in self.watches(kind):
            stream.orders.append(None)
        self._changed.set()

    def expire(self, kind: type[KubeObject] | None = None) -> None:
        """End the watches with a 410."""
        self.say({"type": "ERROR", "object": status(410, "too old resource version", "Expired")}, kind)
        self.end(kind)

    def bookmark(self, kind: type[KubeObject] | None = None) -> None:
        self.say({"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": str(self.revision)}}}, kind)

    def cut(self, kind: type[KubeObject] | None = None) -> None:
        """Reset the connections of the watches."""
        for stream in self.watches(kind):
            request = stream.response._req
            if request is not None and request.transport is not None:
                request.transport.abort()

    def watches(self, kind: type[KubeObject] | None) -> list[Stream]:
        """Return the open watches of the kind, or all of them."""
        return [each for each in self.streams if kind in (None, each.kind)]

    # Answers

    async def _get(self, request: web.Request) -> web.StreamResponse:
        kind = PLURALS[request.match_info["plural"]]
        self.requests.append((kind, dict(request.query)))
        if not self.serves(kind) or ("v1beta1" in request.path) != (kind in self.beta):
            return web.json_response(status(404, "404 page not found"), status=404)
        if self.token and request.headers.get("Authorization") != f"Bearer {self.token}":
            return web.json_response(status(401, "Unauthorized"), status=401)
        if self.faults[kind] and (answer := await self.faults[kind].popleft()(request)) is not None:
            return answer
        return await (self._watch(request, kind) if "watch" in request.query else self._list(request, kind))

    def _selected(self, request: web.Request, kind: type[KubeObject]) -> dict[Key, Object]:
        return {key: each for key, each in sorted(self.objects[kind].items()) if self._selects(request, key, each)}

    def _selects(self, request: web.Request, key: Key, each: Object) -> bool:
        namespace, selector = request.match_info.get("namespace"), request.query.get("fieldSelector", "")
        if namespace not in (None, key.namespace):
            return False
        for term in filter(None, selector.split(",")):
            name, differs, value = term.partition("!=") if "!=" in term else term.partition("=")
            found = key.name if name == "metadata.name" else each.get(name, "")
            if (found == value) == (differs == "!="):
                return False
        return True

    async def _list(self, request: web.Request, kind: type[KubeObject]) -> web.StreamResponse:
        begin, revision, keys = 0, self.revision, list(self._selected(request, kind))
        if token := request.query.get("continue"):
            begin, revision = (int(part) for part in token.split("-"))
            if revision < self.compacted:
                return web.json_response(status(410, "continue token expired", "Expired"), status=410)
        limit = min(int(request.query.get("limit", 0)) or len(keys), self.page if "limit" in request.query else 1 << 30)
        items = [self.objects[kind][key] for key in keys[begin : begin + limit]]
        metadata = {"resourceVersion": str(revision)}
        if begin + limit < len(keys):
            metadata["continue"] = f"{begin + limit}-{revision}"
        return web.json_response({"kind": f"{kind.kind}List", "metadata": metadata, "items": items})

    async def _watch(self, request: web.Request, kind: type[KubeObject]) -> web.StreamResponse:
        initial = "sendInitialEvents" in request.query
        self.connections[kind].append(request.transport)
        if initial and not self.streams_lists:
            return web.json_response(status(422, "sendInitialEvents is forbidden"), status=422)
        response = web.StreamResponse()
        await response.prepare(request)
        cursor = self.revision if initial else int(request.query["resourceVersion"])
        if initial:
            for each in self._selected(request, kind).values():
                await _say(response, "ADDED", each)
            metadata = {"resourceVersion": str(cursor), "annotations": {"k8s.io/initial-events-end": "true"}}
            await _say(response, "BOOKMARK", {"kind": kind.kind, "metadata": metadata})
        elif cursor < self.compacted:
            await _say(response, "ERROR", status(410, f"too old resource version: {cursor}", "Expired"))
            return response
        stream = Stream(kind, response)
        self.streams.append(stream)
        try:
            await self._follow(request, stream, cursor)
        finally:
            self.streams.remove(stream)
        return response

    async def _follow(self, request: web.Request, stream: Stream, cursor: int) -> None:
        while True:
            changed = self._changed.next()
            if self.silent and None not in stream.orders:
                await changed.wait()
                continue
            for write in [each for each in self.history if each.revision > cursor and each.kind is stream.kind]:
                if self._selects(request, write.key, write.object):
                    await _say(stream.response, write.event, write.object)
                cursor = write.revision
            while stream.orders:
                if (line := stream.orders.popleft()) is None:
                    return
                await stream.response.write(line)
            await changed.wait()


async def _say(response: web.StreamResponse, type_: str, each: Object) -> None:
    await response.write(json.dumps({"type": type_, "object": each}).encode() + b"\n")


_SPECS: dict[type[KubeObject], Object] = {
    GatewayClass: {"controllerName": "example.com/controller"},
    Gateway: {"gatewayClassName": "envoy", "listeners": []},
    ListenerSet: {"parentRef": {"name": "gateway"}, "listeners": []},
    BackendTLSPolicy: {"validation": {"hostname": "a.example"}, "targetRefs": []},
}


def _content(kind: type[KubeObject], number: int) -> Object:
    if kind in GATEWAY_KINDS:
        return {"spec": _SPECS.get(kind, {})}
    if kind is Ingress:
        return {"spec": {"ingressClassName": "envoy", "rules": [{"host": f"n{number}.example"}]}}
    if kind is IngressClass:
        return {"spec": {"controller": f"example.com/n{number}"}}
    if kind is Service:
        return {"spec": {"ports": [{"port": number}]}}
    if kind is Secret:
        return {"data": {"tls.crt": base64.b64encode(str(number).encode()).decode()}}
    if kind is ConfigMap:
        return {"data": {"number": str(number)}}
    return {"addressType": "IPv4", "endpoints": [], "ports": [{"port": number}]}


def number(each: KubeObject) -> int:
    """The return value of `write` for this version."""
    match each:
        case Ingress():
            return int(str((each.spec.rules or ())[0].host)[1:].partition(".")[0])
        case IngressClass():
            return int(each.spec.controller.partition("/n")[2])
        case Service():
            return (each.spec.ports or ())[0].port
        case Secret():
            return int((each.data and each.data.tls_crt) or b"0")
        case ConfigMap():
            return int((each.data or {}).get("number", "0"))
        case GatewayObject() | Namespace():
            return int((each.metadata.labels or {})["number"])
        case EndpointSlice():
            return (each.ports or ())[0].port or 0
        case _:
            raise AssertionError(each)
