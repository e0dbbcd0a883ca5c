"""The messages of the service are those of Envoy's API, as envoy-data-plane has them."""

import warnings
from typing import Any

import pytest

from xds.authz.authorizer import Verdict
from xds.authz.service import CheckService, challenge

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # see xds/envoyapi/schema.py
    from envoy_data_plane.envoy.config.core.v3 import Address, SocketAddress
    from envoy_data_plane.envoy.service.auth.v3 import AttributeContext, CheckRequest, CheckResponse
    from envoy_data_plane.envoy.service.auth.v3 import AttributeContextHttpRequest as HttpRequest
    from envoy_data_plane.envoy.service.auth.v3 import AttributeContextPeer as Peer
    from envoy_data_plane.envoy.service.auth.v3 import AttributeContextRequest as Request


class Played:
    """An authorizer with a fixed verdict, which keeps its arguments."""

    def __init__(self, verdict: Verdict) -> None:
        self._verdict = verdict
        self.asked: Any = None

    def decide(self, route: Any, authorization: bytes | None, client: bytes, decided: Any) -> None:
        self.asked = (dict(route), authorization, client)
        decided(self._verdict)


def request(**headers: str) -> CheckRequest:
    return CheckRequest(
        attributes=AttributeContext(
            source=Peer(address=Address(socket_address=SocketAddress(address="192.0.2.7", port_value=1234))),
            destination=Peer(address=Address(socket_address=SocketAddress(address="192.0.2.8", port_value=80))),
            request=Request(http=HttpRequest(id="1", method="GET", headers=headers, path="/x", host="a.test")),
            context_extensions={"realm": 'Röalm "\\', "ingress": "ns/a", "users": "a:b"},
        )
    )


def answer(verdict: Verdict, **headers: str) -> tuple[Any, CheckResponse]:
    played: Any = Played(verdict)
    replies: list[bytes | None] = []
    CheckService(played).check(bytes(request(**headers)), replies.append)
    [reply] = replies
    assert reply is not None
    return played, CheckResponse.parse(reply)


def test_a_request_is_read_as_envoy_writes_it() -> None:
    played, _ = answer(Verdict.ALLOWED, authorization="Basic x", other="y")
    route = {"realm": 'Röalm "\\'.encode(), "ingress": b"ns/a", "users": b"a:b"}
    assert played.asked == (route, b"Basic x", b"192.0.2.7")
    played, _ = answer(Verdict.ALLOWED)
    assert played.asked[1] is None


def test_an_allowed_request_loses_its_password() -> None:
    _, response = answer(Verdict.ALLOWED)
    assert response.status is not None
    assert response.ok_response is not None
    assert response.status.code == 0
    assert response.ok_response.headers_to_remove == ["authorization"]
    assert response.denied_response is None


def test_a_denied_request_gets_a_challenge() -> None:
    _, response = answer(Verdict.DENIED)
    assert response.status is not None
    assert response.denied_response is not None
    assert response.denied_response.status is not None
    assert response.status.code != 0
    assert response.denied_response.status.code == 401
    [option] = response.denied_response.headers
    assert option.header is not None
    assert (option.header.key, option.header.value) == ("www-authenticate", 'Basic realm="Röalm \\"\\\\"')


@pytest.mark.parametrize(
    ("verdict", "code"), [(Verdict.UNCONFIGURED, 403), (Verdict.OVERLOADED, 503), (Verdict.FAILED, 503)]
)
def test_other_verdicts_have_their_status_and_no_challenge(verdict: Verdict, code: int) -> None:
    _, response = answer(verdict)
    assert response.status is not None
    assert response.denied_response is not None
    assert response.denied_response.status is not None
    assert response.status.code != 0
    assert response.denied_response.status.code == code
    assert response.denied_response.headers == []


@pytest.mark.parametrize(
    ("realm", "value"),
    [
        (b"", 'Basic realm=""'),
        (b"Site", 'Basic realm="Site"'),
        (b'a"b\\c', 'Basic realm="a\\"b\\\\c"'),
        (b"a\r\nset-cookie: x\0", 'Basic realm="aset-cookie: x"'),
    ],
)
def test_a_realm_is_quoted(realm: bytes, value: str) -> None:
    assert challenge(realm) == value


def test_a_message_that_is_none_has_no_answer() -> None:
    played: Any = Played(Verdict.ALLOWED)
    replies: list[bytes | None] = []
    CheckService(played).check(b"\xff\xff", replies.append)
    assert replies == [None]
