"""Answers of the debug API without secrets: private keys, passwords, hashes of passwords, and names of users.

Excludes: the commands (tests/cli/test_no_password_is_shown.py).
"""

import base64
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

import pytest
from google.protobuf.json_format import MessageToJson

from tests.support.authority import SERVER_NAME, Authority, SecretMount
from tests.support.debug_server import DebugServer
from tests.support.gateway_world import gateway, gateway_class, listener
from tests.support.objects import certificate as pair_of
from tests.support.objects import config_map, ingress, key, password_file, path, rule, secret, service, tls
from xds.api.v1 import debug_pb2 as pb
from xds.cli.serve import serve
from xds.logs import without_passwords
from xds.server.debug.process_facts import ProcessFacts
from xds.server.tls import ServerTls
from xds.traffic.layer4 import Transport
from xds.translate.layer4.options import Layer4Options
from xds.translate.options import TranslateOptions

SHA: Final = "{SHA}MARKerSHAxxxxxxxxxxxxxxxxxx="
PAIR: Final = pair_of("a.example.com")
USERS: Final = password_file(f"marker-user:{SHA}\nmarker-other:MARKer-plain\n", "users")
PROTECTED: Final = {
    "nginx.ingress.kubernetes.io/auth-type": "basic",
    "nginx.ingress.kubernetes.io/auth-secret": "users",
}

WEB: Final = pb.ObjectReference(kind="Service", namespace="default", name="web")
PORTS: Final = TranslateOptions(layer4=Layer4Options({Transport.TCP: key("tcp")}))


@pytest.fixture
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[DebugServer]:
    mount = SecretMount(tmp_path_factory.mktemp("tls") / "tls", Authority().issue(SERVER_NAME))
    own = ServerTls.load(mount.server)
    async with DebugServer(translate=PORTS) as server:
        flags = {"otlp": without_passwords("http://marker-user:marker-password@collector:4317"), "from": "manifests"}
        server.process = ProcessFacts(flags=flags, certificates=lambda: own.own_certificates)
        server.answers._state = replace(server.answers._state, process=server.process)
        server.do(
            service("web"),
            config_map("tcp", **{"9000": "default/web:80"}),
            secret("cert", PAIR),
            USERS,
            gateway_class(),
            gateway(listener(port=443, protocol="HTTPS", tls={"certificateRefs": [{"name": "cert"}]})),
            ingress("shop", rule("a.example.com", path("/")), tls=[tls("a.example.com", secret="cert")]),
            ingress("closed", rule("b.example.com", path("/")), annotations=PROTECTED),
        )
        yield server


async def answers(server: DebugServer) -> dict[str, str]:
    """The answer to a question of each RPC."""
    of, full = server.answers, pb.RESOURCE_VIEW_FULL
    streams = {
        "ListResources": of.list_resources(pb.ListResourcesRequest(view=full)),
        "DiffSnapshots": of.diff_snapshots(pb.DiffSnapshotsRequest(from_revision=0, view=full)),
    }
    found = {name: "".join([MessageToJson(each) async for each in stream]) for name, stream in streams.items()}
    calls = {
        "GetStatus": of.get_status(pb.GetStatusRequest()),
        "ListIngresses": of.list_ingresses(pb.ListIngressesRequest()),
        "ListCertificates": of.list_certificates(pb.ListCertificatesRequest()),
        "ListRevisions": of.list_revisions(pb.ListRevisionsRequest()),
        "ListReplicas": of.list_replicas(pb.ListReplicasRequest()),
        "GetDiagnostics": of.get_diagnostics(pb.GetDiagnosticsRequest()),
        "ListProxies": of.list_proxies(pb.ListProxiesRequest(all_replicas=True)),
        "ListProblems": of.list_problems(pb.ListProblemsRequest()),
        "Explain": of.explain(pb.ExplainRequest(url="https://b.example.com/")),
        "WhyObject": of.why_object(pb.WhyObjectRequest(object=WEB)),
        "ListGateways": of.list_gateways(pb.ListGatewaysRequest()),
        "ListPorts": of.list_ports(pb.ListPortsRequest()),
        "WhyIngress": of.why_ingress(pb.WhyIngressRequest(namespace="default", name="closed")),
    }
    return found | {name: MessageToJson(await call) for name, call in calls.items()}


async def test_no_answer_holds_a_secret(server: DebugServer) -> None:
    found = await answers(server)
    methods = {each.name for each in pb.DESCRIPTOR.services_by_name["DebugService"].methods}
    assert found.keys() == methods - {"WatchSnapshot"}, "its messages are those of DiffSnapshots"
    key_lines = [line for line in PAIR.key.decode().splitlines() if "-----" not in line]
    assert key_lines
    secrets = ["marker", "PRIVATE KEY", *key_lines, base64.b64encode(PAIR.key).decode()[:60]]
    for name, text in found.items():
        assert len(text) > 2, name
        for each in secrets:
            assert each.lower() not in text.lower(), (name, each)


async def test_the_certificate_beside_a_private_key_is_shown(server: DebugServer) -> None:
    response = await server.answers.list_certificates(pb.ListCertificatesRequest())
    assert {each.use for each in response.certificates} == {
        pb.CERTIFICATE_USE_SERVED,
        pb.CERTIFICATE_USE_CONTROL_PLANE,
        pb.CERTIFICATE_USE_CLIENT_CA,
    }


def test_no_flag_of_serve_takes_a_secret() -> None:
    """Files and names of Secrets are fine. A new flag with a secret must be left out of the diagnostics."""
    words = ("password", "token", "secret-key", "credential")
    names = [flag for parameter in serve.params for flag in parameter.opts]
    assert [name for name in names if any(word in name for word in words)] == []
