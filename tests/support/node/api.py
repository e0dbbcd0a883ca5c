"""The API server, as the parts of a node see it: requests, and lists that are followed."""

import asyncio
import json
import logging
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import yaml

Object = dict[str, Any]

IDLE_SECONDS: Final = 600
RETRY_SECONDS: Final = 0.5

_MERGE: Final = "application/strategic-merge-patch+json"
_log = logging.getLogger(__name__)


class Api:
    """An API server, by a kubeconfig with a token. To be entered and left."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        cluster = config["clusters"][0]["cluster"]
        self.server: Final[str] = cluster["server"]
        self._ssl = ssl.create_default_context(cafile=cluster["certificate-authority"])
        self._headers = {"Authorization": f"Bearer {config['users'][0]['user']['token']}"}

    async def __aenter__(self) -> "Api":
        connector = aiohttp.TCPConnector(ssl=self._ssl, limit=0)
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5, sock_read=IDLE_SECONDS)
        self._session = aiohttp.ClientSession(headers=self._headers, connector=connector, timeout=timeout)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def call(self, method: str, path: str, body: object = None, *, optional: bool = False) -> Any:
        """The answer. The body of a PATCH is a strategic merge patch.

        Args:
            optional: Return None if the object is missing, or exists already.

        Raises:
            RuntimeError: The answer is no success.
        """
        headers = {"Content-Type": _MERGE if method == "PATCH" else "application/json"}
        data = None if body is None else json.dumps(body)
        async with self._session.request(method, self.server + path, data=data, headers=headers) as answer:
            text = await answer.text()
        if answer.status in (404, 409) and optional:
            return None
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:500]}")
        return json.loads(text)

    async def follow(self, path: str) -> AsyncIterator[tuple[str, Object]]:
        """A collection, without end: `LISTED` with the list, then `ADDED`, `MODIFIED` and `DELETED` with an object, and
        after an error `LISTED` again.
        """
        while True:
            try:
                listed = await self.call("GET", path)
                yield "LISTED", listed
                query = f"watch=1&resourceVersion={listed['metadata']['resourceVersion']}"
                async with self._session.get(f"{self.server}{path}?{query}") as answer:
                    async for line in answer.content:
                        event = json.loads(line)
                        if event["type"] == "ERROR":
                            break
                        yield event["type"], event["object"]
            except (aiohttp.ClientError, RuntimeError, TimeoutError, ValueError) as error:
                _log.warning("%s: %r", path, error)
                await asyncio.sleep(RETRY_SECONDS)

    async def kept(self, path: str, store: dict[str, Object], changed: asyncio.Event | None = None) -> None:
        """Keep the objects of a collection in `store`, by NAMESPACE/NAME, until cancelled."""
        async for kind, found in self.follow(path):
            if kind == "LISTED":
                store.clear()
                store.update({key(each): each for each in found["items"]})
            elif kind == "DELETED":
                store.pop(key(found), None)
            else:
                store[key(found)] = found
            if changed:
                changed.set()


def key(of: Object) -> str:
    """NAMESPACE/NAME."""
    return f"{of['metadata']['namespace']}/{of['metadata']['name']}"


def pod_path(pod: Object) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
