"""The objects to judge, read once from an API server. Only the Secrets and ConfigMaps that are named are read."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from xds.cli.migration.input import Input, read_documents
from xds.cli.options import Failed
from xds.kube.objects import ConfigMap, Ingress, IngressClass, KubeObject, Secret, Service
from xds.kube.references import references
from xds.kube.source import SourceError
from xds.kubeapi.client import ApiClient
from xds.kubeapi.interface import Api, ApiUnavailable
from xds.kubeapi.kubeconfig import Access
from xds.kubeapi.outage import TemporaryFailure
from xds.kubeapi.paging import list_all
from xds.migrate.controller import USUAL_CONFIG_MAPS, Controller, controllers
from xds.migrate.ports import port_config_maps
from xds.problems.problem import Key, ObjectRef, Problem
from xds.translate.nginx.annotated_objects import annotated_objects

LABEL: Final = "app.kubernetes.io/name=ingress-nginx"
"""Of the controller, in its charts and manifests."""

AT_ONCE: Final = 16
"""Requests for single objects under way."""

_TIMEOUT_SECONDS: Final = 30.0


def read_cluster(
    kubeconfig: Path, config_map: Key | None, namespaces: Sequence[str], others: Iterable[Key] = ()
) -> Input:
    """Read the cluster of the current context.

    Args:
        kubeconfig: The file.
        config_map: ingress-nginx's ConfigMap; None: to be found.
        namespaces: To read where the right to read all is missing.
        others: Further ConfigMaps to read.

    Raises:
        Failed: the API server can't be read.
    """
    return asyncio.run(_read(Access(kubeconfig), config_map, namespaces, others))


async def _read(access: Access, config_map: Key | None, namespaces: Sequence[str], others: Iterable[Key]) -> Input:
    try:
        client = await ApiClient.create(access)
    except SourceError as error:
        raise Failed(str(error)) from None
    try:
        return await read(client, config_map, namespaces, others)
    except (ApiUnavailable, TemporaryFailure) as error:
        raise Failed(f"the API server of {access} can't be read: {error}; check kubeconfig and rights") from None
    finally:
        await client.close()


async def read(api: Api, config_map: Key | None, namespaces: Sequence[str] = (), others: Iterable[Key] = ()) -> Input:
    """Read all objects that the Ingresses of a cluster need.

    Raises:
        ApiUnavailable, TemporaryFailure: Ingresses, IngressClasses or Services can't be read.

    Without the right to read a kind in all namespaces, `namespaces` are read.
    """
    objects: list[KubeObject] = []
    problems: list[Problem] = []
    for kind in (IngressClass, Ingress, Service):
        found, bad = read_documents(await _listed(api, kind, namespaces))
        objects += found
        problems += bad
    flags = await _controllers(api)
    named = _named([each for each in objects if isinstance(each, Ingress)])
    configs = {config_map} if config_map else {each.config_map for each in flags if each.config_map}
    if not configs:
        configs = {Key("ingress-nginx", name) for name in USUAL_CONFIG_MAPS}
    configs |= {*others, *(key for each in flags for key in port_config_maps(each).values())}
    named |= {ObjectRef(ConfigMap.kind, *key) for key in configs}
    whole: set[type[KubeObject]] = {IngressClass, Ingress, Service}
    for by_name in (Secret, ConfigMap):
        found, is_whole = await _get_all(api, by_name, [each.key for each in named if each.kind == by_name.kind])
        objects += found
        if is_whole:
            whole.add(by_name)
    return Input(tuple(objects), tuple(flags), tuple(problems), whole=frozenset(whole))


async def _listed(api: Api, kind: type[KubeObject], namespaces: Sequence[str]) -> list[dict[str, Any]]:
    try:
        found = [each async for each in list_all(api, kind.collection())]
    except TemporaryFailure as error:
        if error.status != 403 or not namespaces:
            raise
        places = [kind.collection(each) for each in namespaces] if kind.namespaced else []
        found = [each for place in places async for each in list_all(api, place)]
    return [{**each, "kind": kind.kind, "apiVersion": kind.api_version} for each in found]


def _named(ingresses: Iterable[Ingress]) -> set[ObjectRef]:
    annotated = annotated_objects(allow_cross_namespace=True)
    found: set[ObjectRef] = set()
    for each in ingresses:
        refs = references(each, annotated)
        found |= refs.objects | {ObjectRef(Secret.kind, *key) for key in refs.secrets}
    return found


async def _controllers(api: Api) -> list[Controller]:
    """The controllers; none where the right to look for them is missing."""
    found: list[Controller] = []
    for plural, kind in (("deployments", "Deployment"), ("daemonsets", "DaemonSet")):
        path = f"/apis/apps/v1/{plural}"
        status, page = await api.request("GET", path, params={"labelSelector": LABEL}, timeout=_TIMEOUT_SECONDS)
        if status == 200:
            found += controllers({**each, "kind": kind} for each in page.get("items") or ())
    return found


async def _get_all(api: Api, kind: type[KubeObject], keys: Sequence[Key]) -> tuple[list[KubeObject], bool]:
    """The objects of some names that exist, and whether all could be read."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def get(key: Key) -> tuple[int, Mapping[str, Any]]:
        async with gate:
            path = f"{kind.collection(key.namespace)}/{key.name}"
            return await api.request("GET", path, timeout=_TIMEOUT_SECONDS)

    answers = await asyncio.gather(*map(get, sorted(set(keys))))
    documents = [
        {**body, "kind": kind.kind, "apiVersion": kind.api_version} for status, body in answers if status == 200
    ]
    found, _ = read_documents(documents)
    return found, all(status in (200, 404) for status, _ in answers)
