"""The volumes of a Pod: folders with the content of Secrets, ConfigMaps, tokens and fields, kept up to date."""

import asyncio
import base64
import itertools
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from tests.support.node import images
from tests.support.node.api import Api, Object

REFRESH_SECONDS: Final = 2.0
"""Between two looks at the sources; a kubelet takes up to a minute."""

TOKEN_SECONDS: Final = 3607

_Files = dict[str, tuple[bytes, int]]
"""Content and mode, by path in the volume."""


class Volumes:
    """The volumes of a Pod, in a folder of the node."""

    def __init__(self, api: Api, pod: Object, folder: Path) -> None:
        self._api, self._pod, self._folder = api, pod, folder
        self._written: dict[str, _Files] = {}
        self._tokens: dict[str, bytes] = {}
        self._versions = itertools.count()

    def path(self, name: str) -> Path:
        """The folder of a volume."""
        return self._folder / name

    async def create(self) -> None:
        """Make all volumes, as soon as their sources exist."""
        for volume in self._pod["spec"].get("volumes", ()):
            self.path(volume["name"]).mkdir(parents=True)
            if "emptyDir" in volume:
                self._own(self.path(volume["name"]), 0o2777)
                continue
            while (files := await self._files(volume)) is None:
                await asyncio.sleep(REFRESH_SECONDS / 10)
            self._write(volume["name"], files)

    async def refresh(self) -> None:
        """Follow the sources until cancelled. A deleted source changes nothing."""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            for volume in self._pod["spec"].get("volumes", ()):
                if "emptyDir" not in volume and (files := await self._files(volume)) is not None:
                    self._write(volume["name"], files)

    def remove(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    async def _files(self, volume: Object) -> _Files | None:
        """None: a source is missing that is not optional."""
        if projected := volume.get("projected"):
            found: _Files = {}
            for source in projected["sources"]:
                if (files := await self._source(source, projected.get("defaultMode", 0o644))) is None:
                    return None
                found |= files
            return found
        return await self._source(volume, 0o644)

    async def _source(self, source: Object, mode: int) -> _Files | None:
        if token := source.get("serviceAccountToken"):
            return {token["path"]: (await self._token(token), mode)}
        if fields := source.get("downwardAPI"):
            return {
                each["path"]: (field(self._pod, each["fieldRef"]["fieldPath"]).encode(), mode)
                for each in fields["items"]
            }
        for kind in ("secret", "configMap"):
            if kind in source:
                return await self._data(kind, source[kind], mode)
        raise NotImplementedError(f"a volume of {sorted(source)}")

    async def _data(self, kind: str, source: Object, mode: int) -> _Files | None:
        name = source.get("secretName") or source["name"]
        collection = {"secret": "secrets", "configMap": "configmaps"}[kind]
        path = f"/api/v1/namespaces/{self._pod['metadata']['namespace']}/{collection}/{name}"
        if (found := await self._api.call("GET", path, optional=True)) is None:
            return {} if source.get("optional") else None
        data = content(kind, found)
        mode = source.get("defaultMode", mode)
        if items := source.get("items"):
            if any(each["key"] not in data for each in items):
                return None
            return {each["path"]: (data[each["key"]], each.get("mode", mode)) for each in items}
        return {key: (value, mode) for key, value in data.items()}

    async def _token(self, source: Object) -> bytes:
        """A token for the life of the Pod: no test lasts an hour."""
        audience = source.get("audience", "")
        if audience not in self._tokens:
            metadata = self._pod["metadata"]
            account = self._pod["spec"]["serviceAccountName"]
            reference = {"apiVersion": "v1", "kind": "Pod", "name": metadata["name"], "uid": metadata["uid"]}
            spec: Object = {"expirationSeconds": TOKEN_SECONDS, "boundObjectRef": reference}
            if audience:
                spec["audiences"] = [audience]
            path = f"/api/v1/namespaces/{metadata['namespace']}/serviceaccounts/{account}/token"
            answer = await self._api.call("POST", path, {"spec": spec})
            self._tokens[audience] = answer["status"]["token"].encode()
        return self._tokens[audience]

    def _write(self, name: str, files: _Files) -> None:
        """Change all files at once: links into `..data`, which is a link to a folder."""
        if self._written.get(name) == files:
            return
        volume = self.path(name)
        fresh = volume / f"..{next(self._versions)}"
        for path, (data, mode) in files.items():
            (fresh / path).parent.mkdir(parents=True, exist_ok=True)
            (fresh / path).write_bytes(data)
            self._own(fresh / path, mode)
        fresh.mkdir(exist_ok=True)
        new = volume / "..new"
        new.symlink_to(fresh.name)
        old = volume / "..data"
        before = old.resolve() if old.exists() else None
        new.replace(old)
        for top in {path.partition("/")[0] for path in files}:
            if not (volume / top).is_symlink():
                (volume / top).symlink_to(f"..data/{top}")
        for link in volume.iterdir():
            if link.is_symlink() and not link.exists():
                link.unlink()
        if before:
            shutil.rmtree(before)
        self._written[name] = files

    def _own(self, path: Path, mode: int) -> None:
        """Set owner and mode as a kubelet does: the Pod's group may read."""
        group = self._pod["spec"].get("securityContext", {}).get("fsGroup")
        path.chmod(mode | 0o440 if group is not None else mode)
        if group is not None and images.may_change_users():
            os.chown(path, 0, group)
            path.chmod(mode | 0o440)


def content(kind: str, found: Object) -> dict[str, bytes]:
    """The data of a Secret or a ConfigMap."""
    data: Mapping[str, str] = found.get("data") or {}
    if kind == "secret":
        return {key: base64.b64decode(value) for key, value in data.items()}
    binary: Mapping[str, str] = found.get("binaryData") or {}
    return {key: value.encode() for key, value in data.items()} | {
        key: base64.b64decode(value) for key, value in binary.items()
    }


def field(pod: Object, path: str, address: str = "") -> str:
    """A field of a Pod by its path, as in `fieldRef`."""
    if path in ("status.podIP", "status.hostIP"):
        return address
    head, _, key = path.partition("['")
    if key:
        return str(_at(pod, head).get(key.removesuffix("']"), ""))
    return str(_at(pod, path))


def _at(of: Any, path: str) -> Any:
    for name in path.split("."):
        of = of.get(name, {})
    return of
