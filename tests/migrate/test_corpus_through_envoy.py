"""The corpus through a real Envoy: each request of the expected reports has the answer of ingress-nginx. Every exact
Ingress has requests. Excludes: reports (test_corpus.py), the answers of a real ingress-nginx (tests/rows).
"""

import asyncio
import base64
import contextlib
import dataclasses
import io
import re
import ssl
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import aiohttp
import msgspec
import pytest
from multidict import CIMultiDictProxy
from yarl import URL

from tests.migrate.backends import Backends, inner
from tests.migrate.expectations import Request, expectations, put
from tests.support.authority import Authority, Issued
from tests.support.envoy import needs_envoy
from tests.support.guarded_envoy import running_authz
from tests.support.site import Site, site
from xds.address import UnixPath
from xds.kube.ingress_class import CLASS_ANNOTATION
from xds.kube.objects import Ingress, IngressClass, KubeObject, Service
from xds.resources.options import ProxyOptions
from xds.sources.folder.source import read_tree
from xds.translate.options import TranslateOptions

pytestmark = [needs_envoy, pytest.mark.timeout(240)]  # some 200 requests: 5 s on an idle machine, minutes on a busy one

EXPECTED: Final = expectations()
OPTIONS: Final = TranslateOptions(is_compatible=True, has_authz=True, passes_tls=True)
AT_ONCE: Final = 8

_CA: Final = re.compile(r"( ca[.]crt: )\S+")
"""The corpus has no private key of a CA, so a test has its own."""


@dataclasses.dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: CIMultiDictProxy[str]


async def test_ingresses_answer_as_expected(tmp_path: Path) -> None:
    clients = Authority("clients")
    reader = clients.issue(common_name="reader")
    async with corpus(tmp_path, clients) as running:
        assert running.rejections == []
        at_once = asyncio.Semaphore(AT_ONCE)
        asked = {key: each.requests for key, each in EXPECTED.items() if each.requests}
        found = await asyncio.gather(*(_faults(running, key, asked[key], reader, at_once) for key in asked))
    faults = [fault for each in found for fault in each]
    assert not faults, "\n".join(["", *faults])


async def _faults(
    running: Site, key: str, requests: tuple[Request, ...], reader: Issued, at_once: asyncio.Semaphore
) -> list[str]:
    """The faults of an Ingress. Its requests are sent one by one: `xds authz` checks few passwords of it at once."""
    async with at_once:
        found = [await _fault(running, each, reader) for each in requests]
    return [f"{key}: {request}: {fault}" for request, fault in zip(requests, found, strict=True) if fault]


@contextlib.asynccontextmanager
async def corpus(folder: Path, authority: Authority) -> AsyncIterator[Site]:
    """The whole corpus behind one Envoy, with the defaults of ingress-nginx."""
    manifests = put(folder / "manifests")
    for file in manifests.iterdir():
        file.write_text(_CA.sub(rf"\g<1>{base64.b64encode(authority.pem).decode()}", file.read_text()))
    tree = read_tree(manifests)
    objects = tree.manifests.objects()
    assert tree.problems == ()
    served = [_served(each) for each in objects if _is_served(each)]
    services = [each for each in served if isinstance(each, Service)]
    async with (
        running_authz(f"unix:{folder / 'authz'}", folder / "authz.log"),
        Backends(inner(authority)).serving(services) as slices,
        site(
            folder, *served, *slices, translate=OPTIONS, proxy=ProxyOptions(authz=UnixPath(str(folder / "authz")))
        ) as running,
    ):
        yield running


def _is_served(each: KubeObject) -> bool:
    """False for classes, and for an Ingress of another class: the control plane of a `site` has none."""
    if isinstance(each, Ingress):
        expected = EXPECTED[str(each.key)]
        return expected.reported and not expected.alone
    return not isinstance(each, IngressClass)


def _served(each: KubeObject) -> KubeObject:
    if not isinstance(each, Ingress):
        return each
    annotations = {name: value for name, value in (each.metadata.annotations or {}).items() if name != CLASS_ANNOTATION}
    metadata = msgspec.structs.replace(each.metadata, annotations=annotations)
    spec = msgspec.structs.replace(each.spec, ingress_class_name=None)
    return msgspec.structs.replace(each, metadata=metadata, spec=spec)


async def _fault(running: Site, request: Request, reader: Issued) -> str:
    """The differences from the expected answer; empty: none."""
    answer = await _ask(running, request, reader if request.certificate else None)
    faults = [] if answer.status == request.status else [f"status {answer.status} instead of {request.status}"]
    if request.backend and (backend := answer.headers.get("x-backend", "")) != request.backend:
        faults.append(f"the backend is {backend or 'none'} instead of {request.backend}")
    expected = dict(request.answer) | {f"x-seen-{name}": value for name, value in request.seen.items()}
    for name, value in expected.items():
        if (actual := answer.headers.get(name, "")) != value:
            faults.append(f"{name} {actual!r} instead of {value!r}")
    return "; ".join(faults)


async def _ask(running: Site, request: Request, client: Issued | None) -> Answer:
    port = running.proxy.https_port if request.https else running.proxy.http_port
    url = URL(f"{'https' if request.https else 'http'}://127.0.0.1:{port}{request.path}", encoded=True)
    tls: dict[str, Any] = {"ssl": _context(client), "server_hostname": request.host} if request.https else {}
    body = None if request.body is None else io.BytesIO(bytes(request.body))
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session,
        session.request(
            request.method,
            url,
            headers={"host": request.host, **request.headers},
            data=body,
            allow_redirects=False,
            **tls,
        ) as response,
    ):
        await response.read()
        return Answer(response.status, response.headers)


def _context(client: Issued | None) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    if client:
        with tempfile.NamedTemporaryFile() as file:
            file.write(client.certificate + client.private_key)
            file.flush()
            context.load_cert_chain(file.name)
    return context
