"""Handshakes with a real Envoy: which certificate, protocol version and session a client gets.

Covers: RSA and ECDSA side by side, copies of a certificate, OCSP, versions, ciphers, and resumption across changes.
Excludes: the choice of the certificate by SNI (test_tls.py).
"""

import asyncio
import functools
import shutil
import ssl
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.envoy import bootstrap_error, needs_envoy
from tests.support.objects import Pair, certificate, ingress, path, rule, secret, secret_of, service, tls
from tests.support.ocsp import ocsp_response
from tests.support.site import Site, echoes, site
from tests.support.static_tls import bootstrap
from tests.support.tls_client import Client, Handshake
from xds.cli.traffic_options import TLS_1_2_CIPHERS
from xds.kube.objects import Ingress, KubeObject
from xds.resources.options import ProxyOptions, TlsVersion

pytestmark = needs_envoy

A, B = "a.example.com", "b.example.com"
NAMES = (A, B)
ECDSA, RSA = certificate(*NAMES), certificate(*NAMES, kind="rsa2048")
DAY = timedelta(days=1)
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


def shop(host: str, *secrets: str) -> Ingress:
    entries = [tls(host, secret=each) for each in secrets]
    return ingress(host, rule(host, path("/", "web")), tls=entries)


def der(pair: Pair) -> bytes:
    return ssl.PEM_cert_to_DER_cert(pair.chain.decode())


async def test_each_client_gets_the_certificate_of_the_kind_of_key_that_it_can_verify(tmp_path: Path) -> None:
    objects = (shop(A, "ecdsa", "rsa"), service("web"), secret("ecdsa", ECDSA), secret("rsa", RSA))
    async with site(tmp_path, *objects) as running:
        assert running.rejections == []
        port = running.proxy.https_port
        for ciphers, pair in [
            ("ECDHE-RSA-AES128-GCM-SHA256", RSA),
            ("ECDHE-ECDSA-AES128-GCM-SHA256", ECDSA),
            ("ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES128-GCM-SHA256", ECDSA),
        ]:
            found = await Client(port, ciphers).handshake(A)
            assert found is not None
            assert found.peer == der(pair)
        renewed = certificate(*NAMES, kind="rsa2048", serial=2)
        await running.apply(secret("rsa", renewed))
        found = await Client(port, "ECDHE-RSA-AES128-GCM-SHA256").handshake(A)
        assert found is not None
        assert found.peer == der(renewed)
        await running.delete(secret("ecdsa"))
        await Client(port, "ECDHE-ECDSA-AES128-GCM-SHA256").until(lambda found: found is None, A)
        found = await Client(port, version=ssl.TLSVersion.TLSv1_3).handshake(A)
        assert found is not None
        assert found.peer == der(renewed)


async def test_a_connection_serves_the_hosts_of_all_copies_of_its_certificate(tmp_path: Path) -> None:
    copies = (secret("one", ECDSA), secret("two", ECDSA))
    objects: tuple[KubeObject, ...] = (shop(A, "one"), shop(B, "two"), service("web"), *copies)
    async with echoes([service("web")]) as slices, site(tmp_path, *objects, *slices) as running:
        client = Client(running.proxy.https_port)
        await client.until(answers(200), A, host=B)
        await running.apply(secret("two", certificate(*NAMES, serial=2)))
        await client.until(answers(421), A, host=B)
        await client.until(answers(421), B, host=A)
        await running.apply(secret("one", certificate(*NAMES, serial=2)))
        await client.until(answers(200), B, host=A)
        await client.until(answers(200), A, host=B)


def answers(status: int) -> Callable[[Handshake | None], bool]:
    return lambda found: found is not None and found.status == status


@pytest.fixture
async def resumable(tmp_path: Path) -> AsyncIterator[Site]:
    objects = (shop(A, "ecdsa", "rsa"), service("web"), secret("ecdsa", ECDSA), secret("rsa", RSA))
    async with site(tmp_path, *objects) as running:
        yield running


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
async def test_a_session_is_resumed_while_other_hosts_change(resumable: Site, version: ssl.TLSVersion) -> None:
    client = Client(resumable.proxy.https_port, version=version)
    first = await client.handshake(A)
    assert first is not None
    assert not first.resumed
    await resumable.apply(shop(B, "other"), secret("other", certificate(B)))
    await client.until(lambda found: found is not None, B)
    again = await client.handshake(A, session=first.session)
    assert again is not None
    assert again.resumed


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
async def test_a_session_of_an_older_certificate_ends_in_a_full_handshake(
    resumable: Site, version: ssl.TLSVersion
) -> None:
    client = Client(resumable.proxy.https_port, version=version)
    first = await client.handshake(A)
    assert first is not None
    renewed = certificate(*NAMES, serial=2)
    await resumable.apply(secret("ecdsa", renewed))
    again = await client.handshake(A, session=first.session)
    assert again is not None
    assert not again.resumed
    assert again.peer == der(renewed)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl: apt-get install openssl")
async def test_an_ocsp_response_is_stapled_until_it_runs_out(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    good = ocsp_response(ECDSA, now - DAY, now + DAY)
    outdated = ocsp_response(ECDSA, now - 3 * DAY, now - DAY)
    objects = (shop(A, "ecdsa", "rsa"), service("web"), secret("rsa", RSA))
    cert = functools.partial(secret_of, "ecdsa", ECDSA.chain, ECDSA.key)
    async with site(tmp_path, *objects, cert(staple=good)) as running:
        assert await is_stapled(running)
        for bad in (outdated, b"garbage", None):
            await running.apply(cert(staple=bad))
            assert not await is_stapled(running)
            await running.apply(cert(staple=good))
            assert await is_stapled(running)
        assert running.rejections == []


async def is_stapled(running: Site) -> bool:
    """Whether a client gets an OCSP response for the host A."""
    openssl = await asyncio.create_subprocess_exec(
        *("openssl", "s_client", "-connect", f"127.0.0.1:{running.proxy.https_port}", "-servername", A, "-status"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    output, _ = await openssl.communicate()
    is_sent = b"OCSP Response Status: successful" in output
    assert is_sent or b"OCSP response: no response sent" in output
    return is_sent


@pytest.mark.parametrize(("oldest", "is_served"), [(TlsVersion.TLS_1_2, True), (TlsVersion.TLS_1_3, False)])
async def test_the_oldest_version_of_tls_is_an_option(tmp_path: Path, oldest: TlsVersion, is_served: bool) -> None:
    objects = (shop(A, "ecdsa"), service("web"), secret("ecdsa", ECDSA))
    async with site(tmp_path, *objects, proxy=ProxyOptions(tls_min_version=oldest)) as running:
        port = running.proxy.https_port
        found = await Client(port, version=ssl.TLSVersion.TLSv1_3).handshake(A)
        assert found is not None
        assert found.version == "TLSv1.3"
        assert (await Client(port).handshake(A) is not None) is is_served


async def test_clients_agree_on_the_ciphers_of_the_options_alone(tmp_path: Path) -> None:
    objects = (shop(A, "ecdsa", "rsa"), service("web"), secret("ecdsa", ECDSA), secret("rsa", RSA))
    suites = ("ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-ECDSA-CHACHA20-POLY1305")
    async with site(tmp_path, *objects, proxy=ProxyOptions(tls_ciphers=suites)) as running:
        port = running.proxy.https_port
        for suite in suites:
            found = await Client(port, suite).handshake(A)
            assert found is not None
            assert found.cipher == suite
        assert await Client(port, "ECDHE-RSA-AES128-GCM-SHA256").handshake(A) is None
        assert await Client(port, version=ssl.TLSVersion.TLSv1_3).handshake(A) is not None


@pytest.mark.parametrize("suite", TLS_1_2_CIPHERS)
def test_envoy_accepts_each_cipher_of_the_flag(tmp_path: Path, suite: str) -> None:
    with_suite = bootstrap(RSA.chain, RSA.key)
    (listener,) = with_suite["static_resources"]["listeners"]
    context = listener["filter_chains"][0]["transport_socket"]["typed_config"]["common_tls_context"]
    context["tls_params"] = {"cipher_suites": [suite]}
    assert bootstrap_error(with_suite, tmp_path) == ""


async def test_a_session_is_of_use_for_its_own_termination_only(resumable: Site) -> None:
    await resumable.apply(shop(B, "other"), secret("other", certificate(B)))
    client = Client(resumable.proxy.https_port)
    first = await client.handshake(A)
    assert first is not None
    await client.until(lambda found: found is not None, B)
    other = await client.handshake(B, session=first.session)
    assert other is not None
    assert not other.resumed
    assert other.peer == der(certificate(B))
