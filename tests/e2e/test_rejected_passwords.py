"""A real Envoy that quotes a virtual host with passwords in its error: no user and no hash is shown anywhere.

Covers: passwords checked by Envoy and by `xds authz`, names with characters that Envoy escapes, a message that Envoy
cuts at 4,096 bytes; logs, reports, problems, metrics. Excludes: the rejection of a Secret (test_rejected_secrets.py).
"""

from pathlib import Path
from typing import Any

import pytest
import structlog
from google.protobuf.text_encoding import CEscape
from prometheus_client import generate_latest

from tests.e2e.test_rejections import complaints, quiet
from tests.support.ads_client import RDS, VHDS
from tests.support.echo import echo
from tests.support.envoy import Envoy, free_port, needs_envoy, running_envoy
from tests.support.objects import ingress, password_file, path, rule, service, slice_of
from tests.support.plane import Plane
from tests.support.route_table_annotations import annotated
from tests.support.waiting import until
from xds.envoyapi import codec
from xds.problems.problem import ObjectRef
from xds.protocol.rejection.nack import REDACTED
from xds.resources import names
from xds.resources.options import ProxyOptions
from xds.snapshot.resource import Resource, resource
from xds.translate.options import TranslateOptions

pytestmark = needs_envoy

HASH = "{SHA}GpHWL3ymc5liWkNopqtdSjuqYHM="
USERS = ("hunter", "hünter-zwo", "o'hun\"ter\\3")
NAME = f"{names.HTTP_ROUTES}/bad.example"


def users(copies: int) -> str:
    return "".join(f"{user}{number or ''}:{HASH}\n" for number in range(copies) for user in USERS)


def broken(of: Resource) -> Resource:
    """The virtual host with an empty route at the end, so that Envoy quotes the others."""
    message: Any = codec.upb(codec.decode(VHDS.message, of.body))
    copy = type(message)()
    copy.CopyFrom(message)
    copy.routes.add()
    return resource(VHDS, of.name, copy.SerializeToString(deterministic=True))


@pytest.mark.parametrize("copies", [1, 20], ids=["whole", "cut"])
@pytest.mark.parametrize("has_authz", [False, True], ids=["envoy", "authz"])
@pytest.mark.parametrize("sotw", [False, True], ids=["delta", "sotw"])
async def test_no_user_and_no_hash_is_shown(tmp_path: Path, sotw: bool, has_authz: bool, copies: int) -> None:
    asked = annotated(auth_type="basic", auth_secret="users")
    proxy = ProxyOptions(listener_address="127.0.0.1", http_port=free_port(), https_port=free_port())
    async with echo("bad") as port:
        given = (
            service("bad"),
            slice_of("bad", "127.0.0.1", ports=[port]),
            password_file(users(copies)),
            ingress("bad", rule("bad.example", path("/", "bad")), annotations=asked),
        )
        async with (
            Plane(*given, translate=TranslateOptions(has_authz=has_authz), proxy=proxy) as plane,
            running_envoy(plane.address, tmp_path, node="first", sotw=sotw) as envoy,
        ):
            await envoy.until_ready()
            await until(lambda: quiet(plane))
            with structlog.testing.capture_logs() as log:
                good = plane.pipeline.store.resources(VHDS)[NAME]
                plane.commit({(VHDS, NAME): broken(good)})
                await until(lambda: rejects(plane, sotw=sotw) and quiet(plane))
                (problem,) = await complaints(plane)
            shown = "\n".join(
                (
                    *(str(value) for line in log for value in line.values()),
                    str(list(plane.ads.proxies())),
                    str(plane.ads.deliveries(list(plane.pipeline.store.resources(VHDS).values()))),
                    str(problem),
                    generate_latest(plane.metrics.registry).decode(),
                )
            )
    assert problem.object == ObjectRef("Ingress", "default", "bad")
    assert REDACTED in shown
    quotes_a_user(envoy)
    for part in ("hunter", "nter-", CEscape(USERS[1].encode(), False), "GpHWL3ym", HASH[:9]):
        assert part not in shown


def rejects(plane: Plane, *, sotw: bool) -> bool:
    """Whether Envoy rejects the virtual host, or the RouteConfiguration with the virtual host inside."""
    type_, name = (RDS, names.HTTP_ROUTES) if sotw else (VHDS, NAME)
    return plane.status_of(type_, "first").rejected_names == (name,)


def quotes_a_user(envoy: Envoy) -> None:
    """Envoy's own log has a user: the test would be worth nothing if Envoy began to redact."""
    assert "hunter" in envoy.log
