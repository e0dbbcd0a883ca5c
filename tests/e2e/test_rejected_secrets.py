"""A real Envoy that quotes a Secret in its error: no part of a secret value reaches logs, reports, problems or metrics.

Envoy's validation error has the whole message as text, private keys included. Covers a key, a password with characters
that Envoy escapes, and a message that Envoy cuts at 4,096 bytes. Excludes Events (tests/reporting), which follow from
problems.
"""

from pathlib import Path
from typing import Any

import pytest
import structlog
from google.protobuf.text_encoding import CEscape
from prometheus_client import generate_latest

from tests.e2e.test_rejections import INGRESS, SECRET, WITH_TLS, complaints, fleet, quiet
from tests.support.ads_client import SDS
from tests.support.echo import echo
from tests.support.envoy import Envoy, free_port, needs_envoy
from tests.support.objects import certificate
from tests.support.plane import Plane
from tests.support.waiting import until
from xds.envoyapi import codec
from xds.snapshot.resource import Resource, resource

pytestmark = [needs_envoy, pytest.mark.parametrize("sotw", [False, True], ids=["delta", "sotw"])]

PLAIN_PART = "hunter-22"
PASSWORD = f"pa'ss\"w\\ö{PLAIN_PART}"


def quoted(plane: Plane, key: bytes) -> Resource:
    """A valid Secret but for an empty field at the end, so that Envoy quotes the key and a password."""
    message: Any = codec.upb(codec.decode(SDS.message, plane.pipeline.store.resources(SDS)[SECRET].body))
    copy = type(message)()
    copy.CopyFrom(message)
    copy.tls_certificate.private_key.inline_bytes = key
    copy.tls_certificate.password.inline_string = PASSWORD
    copy.tls_certificate.private_key_provider.SetInParent()
    return resource(SDS, SECRET, copy.SerializeToString(deterministic=True))


@pytest.mark.parametrize("copies", [1, 30], ids=["whole", "cut"])
async def test_no_part_of_a_quoted_secret_is_shown(tmp_path: Path, sotw: bool, copies: int) -> None:
    key = certificate("other.example").key * copies
    async with (
        echo("backend") as port,
        fleet(tmp_path, sotw=sotw, port=port, http_port=free_port()) as (plane, envoy),
    ):
        plane.apply(*WITH_TLS)
        await envoy.until_ready()
        await until(lambda: plane.asked(SDS) > set() and quiet(plane))
        with structlog.testing.capture_logs() as log:
            plane.commit({(SDS, SECRET): quoted(plane, key)})
            await until(lambda: plane.status_of(SDS, "first").rejected_names == (SECRET,) and quiet(plane))
            (problem,) = await complaints(plane)
        shown = "\n".join(
            (
                *(str(value) for line in log for value in line.values()),
                str(list(plane.ads.proxies())),
                str(plane.ads.deliveries(list(plane.pipeline.store.resources(SDS).values()))),
                str(problem),
                generate_latest(plane.metrics.registry).decode(),
            )
        )
    assert problem.object == INGRESS
    assert "tls_certificate" in problem.message
    quotes_all(envoy, key)
    lines = [line for line in key.decode().splitlines() if "PRIVATE KEY" not in line]
    escaped = (CEscape(PASSWORD.encode(), False), CEscape(PASSWORD.encode(), True))
    for part in (PASSWORD, PLAIN_PART, *escaped, *lines, *(line[:8] for line in lines)):
        assert part not in shown


def quotes_all(envoy: Envoy, key: bytes) -> None:
    """Envoy's own log has the key: the test would be worth nothing if Envoy began to redact."""
    assert key.decode().splitlines()[1] in envoy.log
