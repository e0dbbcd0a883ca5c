"""`xds ingresses`, `xds status` and the filters of `xds proxies` and `xds problems`, on a server.

Covers: tables, filters, pages, summary lines, other replicas, the exit code of `status`.
Excludes: keys of the JSON (test_json_output.py), and the answers themselves (tests/server/debug).
"""

import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.debug_server import ThreadedDebugServer, services, shop, type_status
from tests.support.gateway_objects import http_route, to
from tests.support.gateway_world import gateway, gateway_class, parent
from tests.support.objects import certificate, ingress, path, rule, secret, service, slice_of, tls
from xds.api.v1 import debug_pb2 as pb
from xds.cli import client as client_module
from xds.cli.attention import attention
from xds.cli.main import run
from xds.protocol.messages import Node, Rejection
from xds.protocol.stuck import Stuck, StuckReason
from xds.server.debug.process_facts import ProcessFacts
from xds.server.own_certificates import OwnCertificate
from xds.snapshot.resource import ResourceType

Xds = Callable[..., tuple[int, str, str]]


class OtherReplicas:
    """Peers that give these answers."""

    def __init__(self, *replicas: pb.Replica, proxies: Sequence[pb.Proxy] = ()) -> None:
        self._replicas, self._proxies = replicas, proxies

    async def list_replicas(self) -> Sequence[pb.Replica]:
        return self._replicas

    async def list_proxies(self) -> Sequence[tuple[pb.Replica, pb.ListProxiesResponse | None]]:
        answer = pb.ListProxiesResponse(proxies=self._proxies)
        return [(each, answer if each.HasField("status") else None) for each in self._replicas]


AWAY = pb.Replica(address="10.0.0.2:18000", error="no connection within 2 s", remedy="see its log")


@pytest.fixture
def peers() -> OtherReplicas:
    return OtherReplicas()


@pytest.fixture
def server(peers: OtherReplicas) -> Iterator[ThreadedDebugServer]:
    started = ThreadedDebugServer()
    started.server.process = ProcessFacts(name="xds-0", source="manifests")
    started.server.peers = peers
    with started as server:
        yield server


@pytest.fixture
def xds(server: ThreadedDebugServer, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Xds:
    monkeypatch.setenv("XDS_SERVER", server.target)

    def call(*arguments: str) -> tuple[int, str, str]:
        return run(list(arguments)), *capfd.readouterr()

    return call


def some_ingresses(server: ThreadedDebugServer) -> None:
    server.do(
        *services("web", "idle"),
        *(slice_of("web", "10.0.0.1"), secret("cert", certificate("a.test"))),
        ingress("good", rule("a.test", path("/")), tls=[tls("a.test", secret="cert")]),
        ingress("half", rule("b.test", path("/"), path("/gone", "gone"))),
        ingress("idle", rule("c.test", path("/", "idle"))),
        ingress("many", *(rule(f"m{number}.test", path("/")) for number in range(5))),
        ingress("none", rule("d.test", path("/", "gone")), ns="team"),
        ingress("other", rule("e.test", path("/")), class_name="nginx"),
    )


def words(out: str) -> list[str]:
    """The lines of a table, with one space between cells."""
    return [" ".join(line.split()) for line in out.splitlines()]


def names(out: str) -> list[str]:
    return [line.split()[0].partition("/")[2] for line in out.split("\n\n", maxsplit=1)[0].splitlines()[1:]]


def test_ingresses_are_listed_with_their_state(server: ThreadedDebugServer, xds: Xds) -> None:
    some_ingresses(server)
    code, out, err = xds("ingresses")
    assert (code, err) == (0, "")
    assert words(out) == [
        "INGRESS STATE DOWN HOSTS ADDRESS PROBLEMS AGE",
        "default/good accepted a.test (TLS)",
        "default/half partly 1/2 b.test 1 error",
        "default/idle accepted 1/1 c.test",
        "default/many accepted m0.test, m1.test +3",
        "team/none not served 1/1 d.test 1 error",
        "",
        (
            "5 Ingresses listed: 3 accepted, 1 partly accepted, 1 not served, 1 with parts without endpoints, "
            "1 of other controllers"
        ),
    ]


def test_a_wide_table_has_every_host(server: ThreadedDebugServer, xds: Xds) -> None:
    some_ingresses(server)
    lines = words(xds("ingresses", "-o", "wide")[1])
    assert lines[0] == "INGRESS STATE DOWN CLASS HOSTS ADDRESS PROBLEMS AGE"
    assert lines[2] == "default/half partly 1/2 envoy b.test 1 error"
    assert lines[4].endswith("m0.test, m1.test, m2.test, m3.test, m4.test")


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["-n", "team"], ["none"]),
        (["--host", "B.test"], ["half"]),
        (["--state", "not_served", "--state", "partly_accepted"], ["half", "none"]),
        (["--state", "not_ours"], ["other"]),
        (["--problems"], ["half", "none"]),
        (["--no-endpoints"], ["idle"]),
        (["m3.test"], ["many"]),
        (["gone", "team"], ["none"]),
        (["--problems", "-n", "default"], ["half"]),
    ],
    ids=" ".join,
)
def test_ingresses_are_filtered(server: ThreadedDebugServer, xds: Xds, flags: list[str], expected: list[str]) -> None:
    some_ingresses(server)
    code, out, err = xds("ingresses", *flags)
    assert (code, err) == (0, "")
    assert names(out) == expected
    assert [each["name"] for each in json.loads(xds("ingresses", *flags, "-o", "json")[1])] == expected


def test_lists_without_an_entry(server: ThreadedDebugServer, xds: Xds) -> None:
    server.do()
    assert xds("ingresses") == (0, "", "no Ingresses\n")
    assert xds("ingresses", "x") == (0, "", "no Ingresses match\n")
    assert xds("ingresses", "-o", "json") == (0, "[]\n", "")
    assert xds("problems", "--reason", "SecretNotFound") == (0, "", "no problems match\n")


def test_ingresses_come_in_pages(server: ThreadedDebugServer, xds: Xds, monkeypatch: pytest.MonkeyPatch) -> None:
    server.do(*(ingress(f"i{number:03}", rule(f"{number}.test", path("/"))) for number in range(250)))
    monkeypatch.setattr(client_module, "PAGE_SIZE", 100)
    assert names(xds("ingresses")[1]) == [f"i{number:03}" for number in range(250)]


def test_hostile_names_do_not_steer_the_terminal(server: ThreadedDebugServer, xds: Xds) -> None:
    server.do(ingress("x", rule("a.test", path("/")), class_name="envoy\x1b[2J", ns="default"))
    out = xds("ingresses", "--state", "not_ours", "-o", "wide")[1]
    assert "\x1b" not in out


def test_problems_are_filtered_by_reason_and_namespace(server: ThreadedDebugServer, xds: Xds) -> None:
    some_ingresses(server)
    found = json.loads(xds("problems", "-n", "team", "--reason", "BackendNotFound", "-o", "json")[1])
    assert [each["object"]["name"] for each in found] == ["none"]
    assert [each["level"] for each in found] == ["error"]
    assert xds("problems", "-n", "team", "--reason", "SecretNotFound")[2] == "no problems match\n"


def three_proxies(server: ThreadedDebugServer) -> None:
    now = server.now()
    rejected = Rejection("v2", now, "no", ())
    server.connect(Node("envoy-a", "fleet", "envoy 1.40.0"), type_status(ResourceType.CLUSTER, now))
    server.connect(
        Node("envoy-b", "fleet", "envoy 1.40.0"),
        type_status(ResourceType.CLUSTER, now, last_rejection=rejected, rejected_count=1),
    )
    late = type_status(ResourceType.ENDPOINTS, now, sent=None, in_flight=True)
    server.connect(Node("gateway", "fleet", "envoy 1.40.0"), late)
    stuck = (Stuck(StuckReason.SILENT, ResourceType.ENDPOINTS, now - 30),)
    behind = server.server.proxies[-1]
    server.server.proxies[-1] = type(behind)(behind.peer, behind.stream, stuck)


def test_the_last_line_counts_the_proxies(server: ThreadedDebugServer, xds: Xds) -> None:
    three_proxies(server)
    out = xds("proxies")[1]
    assert out.splitlines()[-1] == "3 proxies, 1 in sync, 1 rejects cds, 1 stuck (silent), 1 behind"


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--node", "envoy"], ["envoy-a", "envoy-b"]),
        (["--node", "*-b", "--node", "gate"], ["envoy-b", "gateway"]),
        (["--rejecting"], ["envoy-b"]),
        (["--stuck"], ["gateway"]),
        (["--behind"], ["gateway"]),
        (["--stuck", "--rejecting"], ["envoy-b", "gateway"]),
        (["--stuck", "--node", "envoy"], []),
    ],
    ids=" ".join,
)
def test_proxies_are_filtered(server: ThreadedDebugServer, xds: Xds, flags: list[str], expected: list[str]) -> None:
    three_proxies(server)
    found = json.loads(xds("proxies", *flags, "-o", "json")[1])
    assert [each["node_id"] for each in found] == expected
    code, out, err = xds("proxies", *flags)
    assert code == 0
    assert (err == "no proxies match, of 3\n") == (expected == [])
    assert out.count("fleet") == len(expected)


OTHER = pb.Replica(address="10.0.0.3:18000", status=pb.GetStatusResponse(replica="xds-1"))


@pytest.mark.parametrize("peers", [OtherReplicas(AWAY, OTHER, proxies=[pb.Proxy(node_id="far", replica="xds-1")])])
def test_proxies_of_all_replicas_name_those_without_an_answer(server: ThreadedDebugServer, xds: Xds) -> None:
    server.connect(Node("near"), type_status(ResourceType.CLUSTER, server.now()))
    assert [each["node_id"] for each in json.loads(xds("proxies", "-o", "json")[1])] == ["near"]
    code, out, err = xds("proxies", "--all-replicas", "-o", "json")
    assert code == 3
    assert [(each["node_id"], each["replica"]) for each in json.loads(out)] == [("far", "xds-1"), ("near", "xds-0")]
    assert err == "xds: 1 replica gave no answer: 10.0.0.2:18000: no connection within 2 s, see its log\n"
    lines = words(xds("proxies", "--all-replicas")[1])
    assert lines[0].endswith("STUCK REPLICA")
    assert lines[1].endswith("xds-1")
    assert lines[-1] == "2 proxies on 2 replicas, 1 in sync"


def test_a_server_in_order_needs_no_attention(server: ThreadedDebugServer, xds: Xds) -> None:
    some_ingresses(server)
    server.connect(Node("envoy-a"), type_status(ResourceType.CLUSTER, server.now()))
    code, out, err = xds("status", "--exit-code")
    assert (code, err) == (0, "")
    lines = words(out)
    assert lines[0].startswith("replica xds-0, version 0.")
    assert lines[1:3] == ["source manifests: current", "leader none: with a folder, nothing is written"]
    assert lines[3].startswith("revision 1, ")
    assert lines[4] == (
        "ingresses 3 accepted, 1 partly accepted, 1 not served, 1 of other controllers; "
        "1 of them with parts without endpoints"
    )
    assert lines[5] == "problems 2 errors, 0 warnings: xds problems"
    assert lines[6] == "proxies 1 connected, 1 in sync, 0 behind, 0 stuck, 0 rejecting"
    assert lines[7].startswith("certificates the first to end is that of Secret default/cert: ends in ")
    assert lines[8:] == ["", "nothing needs attention"]


def test_the_status_counts_gateways_where_there_are_some(server: ThreadedDebugServer, xds: Xds) -> None:
    server.do(service("web"))
    assert "gateways" not in xds("status")[1]
    routes = [http_route(to(to_service), parentRefs=parent(), name=to_service) for to_service in ("web", "missing")]
    server.do(gateway_class(), gateway(), *routes)
    words = "gateways     0 accepted, 0 partly accepted, 1 not served; 2 routes, 1 not served as written"
    assert words in xds("status")[1]


def test_a_server_in_need_is_exit_code_1_with_reasons(server: ThreadedDebugServer, xds: Xds) -> None:
    three_proxies(server)
    server.server.process = ProcessFacts(name="xds-0")
    code, out, _ = xds("status", "--exit-code")
    assert code == 1
    assert [line for line in out.splitlines() if line.startswith("!")] == [
        "! replica xds-0 has no revision yet: see its log",
        "! 1 proxy of xds-0 is stuck: 'xds proxies --all-replicas --stuck'",
        "! 1 proxy of xds-0 is rejecting a resource: 'xds proxies --all-replicas --rejecting'",
    ]
    assert xds("status")[0] == 0
    assert len(json.loads(xds("status", "-o", "json")[1])["attention"]) == 3


def dated(days: float) -> OwnCertificate:
    end = datetime.now(UTC) + timedelta(days=days, hours=1)
    return OwnCertificate("server", Path("/tls.crt"), ("xds",), end - timedelta(days=90), end)


@pytest.mark.parametrize(
    ("days", "shown", "code"),
    [
        (30, "", 0),
        (10, "certificate --tls-cert /tls.crt ends in 10 days", 0),
        (3, "! the certificate of --tls-cert /tls.crt ends in 3 days: renew it", 1),
        (-2, "! the certificate of --tls-cert /tls.crt ended 1 day ago: renew it", 1),
    ],
)
def test_certificates_that_end_soon_are_listed_and_urgent_in_the_last_week(
    peers: OtherReplicas, capfd: pytest.CaptureFixture[str], days: float, shown: str, code: int
) -> None:
    started = ThreadedDebugServer()
    started.server.process = ProcessFacts(certificates=lambda: [dated(days)])
    with started as server:
        server.do(*services("web"))
        server.connect(Node("envoy-a"), type_status(ResourceType.CLUSTER, server.now()))
        assert run(["status", "--exit-code", "--server", server.target]) == code
    assert shown in words(capfd.readouterr().out) if shown else "! " not in capfd.readouterr().out


def other(name: str, version: str, *, ago: float = 60, pending: bool = False) -> pb.Replica:
    """A replica with this version of clusters."""
    type_version = pb.TypeVersion(type_url=ResourceType.CLUSTER.value, version=version)
    status = pb.GetStatusResponse(replica=name, version="0.1.0", pending=pending, source=pb.Source(current=True))
    status.snapshot.types.append(type_version)
    status.snapshot.revision.committed_at.FromDatetime(datetime.now(UTC) - timedelta(seconds=ago))
    return pb.Replica(address="10.0.0.3:18000", status=status)


@pytest.mark.parametrize("peers", [OtherReplicas(AWAY, other("xds-1", "v"))])
def test_status_lists_every_replica(server: ThreadedDebugServer, xds: Xds) -> None:
    server.do(*services("web"), shop("web"))
    code, out, _ = xds("status", "--exit-code")
    assert code == 1
    lines = words(out)
    start = lines.index("REPLICA VERSION UP LEADS SOURCE REVISION PROXIES IN SYNC")
    assert lines[start + 1].startswith("xds-0 ")
    assert lines[start + 2] == "10.0.0.2:18000 no connection within 2 s"
    assert lines[start + 3].startswith("xds-1 0.1.0 ")
    assert "! replica 10.0.0.2:18000 gives no answer: no connection within 2 s; see its log" in lines


@pytest.mark.parametrize(
    ("version", "ago", "pending", "expected"),
    [
        ("v1", 60, False, []),
        ("v2", 60, False, ["replica b serves other cds than a: see the logs of both"]),
        ("v2", 0, False, []),
        ("v2", 60, True, []),
    ],
    ids=["equal", "different", "just changed", "pending"],
)
def test_replicas_that_serve_other_resources_need_attention(
    version: str, ago: float, pending: bool, expected: list[str]
) -> None:
    mine, theirs = other("a", "v1", ago=3600), other("b", version, ago=ago, pending=pending)
    mine.status.proxies.connected = 1
    assert list(attention([mine, theirs], [])) == expected


def test_a_service_with_endpoints_is_no_idle_part(server: ThreadedDebugServer, xds: Xds) -> None:
    server.do(service("web"), slice_of("web", "10.0.0.1"), shop("web"))
    assert "1/1" not in xds("ingresses")[1]
    server.do(slice_of("web"))
    assert "1/1" in xds("ingresses")[1]
