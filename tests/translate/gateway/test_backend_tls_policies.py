"""BackendTLSPolicies: the policy that decides, the TLS that it asks for, and the statuses of all."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from tests.support.gateway_objects import gateway_object, http_route, to
from tests.support.objects import NS, World, certificate, config_map, key, secret, service
from xds.kube.change import Applied, Deleted
from xds.kube.gateway_objects import BackendTLSPolicy
from xds.kube.objects import ConfigMap, KubeObject, Service
from xds.problems.problem import ObjectRef
from xds.resources.backend_tls import transport_socket
from xds.traffic.actions import Forward
from xds.traffic.backend_tls import BackendTls, CredentialKey, CredentialPart, NameKind, SubjectName
from xds.traffic.upstream import BackendProtocol
from xds.translate.gateway.context import NO_USE, GatewayContext, ParentUse
from xds.translate.gateway.grants import Grants
from xds.translate.gateway.options import NO_GATEWAYS
from xds.translate.gateway.rules.http_route import translate_http_route
from xds.translate.gateway.tls_policy.backend_tls import BackendTlsChoice, backend_tls
from xds.translate.gateway.tls_policy.policy_status import policy_outcome
from xds.translate.gateway.translated import policies

CA = CredentialKey(key("ca"), CredentialPart.CONFIG_MAPS)
GATE = ObjectRef("Gateway", NS, "gate")
AUTHORITY = config_map("ca", **{"ca.crt": certificate("authority").chain.decode()})
WEB = service("web", {"port": 443, "name": "https"}, {"port": 8443, "name": "more"})
NAMED = BackendTls(None, verify_depth=100, name="a.example.com", sends_name=True, authorities=CA)
BY_SYSTEM = {"wellKnownCACertificates": "System"}


def policy(name: str, *targets: str, day: int = 1, **validation: Any) -> BackendTLSPolicy:
    """A policy with targets `SERVICE` or `SERVICE/PORT`; without validation, by the ConfigMap `ca`."""
    refs = [each.partition("/") for each in targets or ("web",)]
    written = {"hostname": "a.example.com", "caCertificateRefs": [named("ca")]} | validation
    made = gateway_object(
        BackendTLSPolicy,
        name,
        targetRefs=[
            {"group": "", "kind": "Service", "name": ref} | ({"sectionName": section} if section else {})
            for ref, _, section in refs
        ],
        validation={field: value for field, value in written.items() if value is not None},
    )
    assert isinstance(made, BackendTLSPolicy)
    created = datetime(2026, 1, day, tzinfo=UTC)
    return msgspec.structs.replace(made, metadata=msgspec.structs.replace(made.metadata, creation_timestamp=created))


def named(name: str, kind: str = "ConfigMap", group: str = "") -> dict[str, str]:
    return {"group": group, "kind": kind, "name": name}


def context(*objects: KubeObject) -> GatewayContext:
    state = World(WEB, AUTHORITY, *objects).state
    return GatewayContext(state, NO_GATEWAYS, Grants(state))


def chosen(*objects: KubeObject, port: int = 443, use: ParentUse = NO_USE) -> BackendTlsChoice:
    return backend_tls(context(*objects), WEB, port, use)


def conditions(around: GatewayContext, of: BackendTLSPolicy) -> tuple[str, str]:
    """The reasons of the conditions Accepted and ResolvedRefs."""
    (ancestor,) = policy_outcome(around, of, [GATE]).status.ancestors
    accepted, resolved = ancestor.conditions
    assert (accepted.type, resolved.type) == ("Accepted", "ResolvedRefs")
    return accepted.reason, resolved.reason


def test_a_port_without_policy_is_not_changed_and_waits_for_one() -> None:
    other = policy("other", "shop")
    assert chosen(other) == BackendTlsChoice(references=frozenset({policies(NS)}))
    elsewhere = gateway_object(
        BackendTLSPolicy, "foreign", targetRefs=[named("web", "Store", "shop.io")], validation={"hostname": "a.b"}
    )
    assert chosen(elsewhere).refused is None


def test_a_policy_verifies_the_backend_by_name_and_authority() -> None:
    found = chosen(policy("p"))
    assert found.tls == NAMED
    assert found.references == {policies(NS), ObjectRef("ConfigMap", NS, "ca")}
    assert NAMED.credentials == (CA,)
    with_certificate = chosen(policy("p"), use=ParentUse(key("identity")))
    assert ObjectRef("Secret", NS, "identity") in with_certificate.references
    assert with_certificate.tls
    assert with_certificate.tls.credentials == (CredentialKey(key("identity"), CredentialPart.CLIENT_CERTIFICATE), CA)


def test_a_policy_may_trust_the_authorities_of_the_system() -> None:
    found = chosen(policy("p", caCertificateRefs=None, wellKnownCACertificates="System")).tls
    assert found
    assert (found.trusts_system, found.authorities, found.credentials, found.is_verified) == (True, None, (), True)


def test_subject_names_are_verified_in_place_of_the_hostname() -> None:
    names = [{"type": "URI", "uri": "spiffe://a.b/c"}, {"type": "Hostname", "hostname": "*.Example.org"}]
    found = chosen(policy("p", subjectAltNames=names)).tls
    assert found
    assert found.subject_names == (
        SubjectName(NameKind.URI, "spiffe://a.b/c"),
        SubjectName(NameKind.DNS, "*.example.org"),
    )
    assert found.name == "a.example.com"


@pytest.mark.parametrize(
    ("validation", "accepted", "resolved"),
    [
        ({"caCertificateRefs": [named("absent")]}, "NoValidCACertificate", "InvalidCACertificateRef"),
        ({"caCertificateRefs": [named("empty")]}, "NoValidCACertificate", "InvalidCACertificateRef"),
        ({"caCertificateRefs": [named("web", "Service")]}, "NoValidCACertificate", "InvalidKind"),
        ({"caCertificateRefs": [named("ca", "ConfigMap", "wrong.io")]}, "NoValidCACertificate", "InvalidKind"),
        ({"caCertificateRefs": [], "wellKnownCACertificates": "wrong.io/Mine"}, "Invalid", "ResolvedRefs"),
        ({"caCertificateRefs": None}, "Invalid", "ResolvedRefs"),
        (BY_SYSTEM, "Invalid", "ResolvedRefs"),
        ({"hostname": "*.example.com"}, "Invalid", "ResolvedRefs"),
        ({"hostname": "under_score"}, "Invalid", "ResolvedRefs"),
        ({"hostname": ""}, "Invalid", "ResolvedRefs"),
        ({"subjectAltNames": [{"type": "Mail", "uri": "mailto:a@b"}]}, "Invalid", "ResolvedRefs"),
        ({"subjectAltNames": [{"type": "Hostname"}]}, "Invalid", "ResolvedRefs"),
        ({"subjectAltNames": [{"type": "Hostname", "hostname": "a b"}]}, "Invalid", "ResolvedRefs"),
    ],
)
def test_a_policy_that_cannot_be_followed_closes_the_way_to_its_service(
    validation: dict[str, Any], accepted: str, resolved: str
) -> None:
    written = policy("p", **validation)
    around = context(written, config_map("empty"))
    assert conditions(around, written) == (accepted, resolved)
    found = backend_tls(around, WEB, 443, NO_USE)
    assert (found.tls, bool(found.refused)) == (None, True)
    route = translate_http_route(around, http_route(to("web:443")))
    (only,) = route.routes
    assert isinstance(only.action, Forward)
    assert [each.key for each in only.action.shares] == [None]
    assert route.backends == {}
    assert route.unresolved
    assert "never sent without TLS" in route.unresolved.message


def test_an_invalid_reference_leaves_the_authorities_of_the_others() -> None:
    written = policy("p", caCertificateRefs=[named("absent"), named("ca")])
    assert chosen(written).tls == NAMED
    assert conditions(context(written), written) == ("Accepted", "InvalidCACertificateRef")


def test_the_policy_of_a_port_goes_before_that_of_the_service() -> None:
    whole, one = policy("whole", hostname="whole.example.com"), policy("one", "web/https", day=2)
    names = [chosen(whole, one, port=port).tls for port in (443, 8443)]
    assert [each.name if each else "" for each in names] == ["a.example.com", "whole.example.com"]
    around = context(whole, one)
    assert conditions(around, whole) == conditions(around, one) == ("Accepted", "ResolvedRefs")


@pytest.mark.parametrize("target", ["web", "web/https"])
def test_the_oldest_policy_of_a_target_wins_then_the_first_by_name(target: str) -> None:
    young, old = (
        policy("a", target, day=2, hostname="young.example.com"),
        policy("z", target, hostname="old.example.com"),
    )
    around = context(young, old)
    found = backend_tls(around, WEB, 443, NO_USE).tls
    assert found
    assert found.name == "old.example.com"
    assert conditions(around, young)[0] == "Conflicted"
    assert conditions(around, old)[0] == "Accepted"
    outcome = policy_outcome(around, young, [GATE])
    assert outcome.refused
    assert "BackendTLSPolicy default/z" in outcome.refused.message
    same = context(policy("a", target), policy("z", target))
    assert conditions(same, policy("z", target))[0] == "Conflicted"


def test_an_invalid_policy_still_goes_before_a_younger_one() -> None:
    found = chosen(policy("z", caCertificateRefs=[named("absent")]), policy("a", day=2))
    assert (found.tls, bool(found.refused)) == (None, True)


def test_policies_are_followed_as_they_change() -> None:
    world = World(WEB, AUTHORITY)
    around = GatewayContext(world.state, NO_GATEWAYS, Grants(world.state))

    def follow(*changes: Any) -> set[str]:
        world.apply(*changes)
        refs = [ObjectRef(BackendTLSPolicy.kind, NS, name) for name in ("p", "q")]
        return {each.name for each in around.policies.follow(world.state, refs)}

    def name() -> str:
        found = backend_tls(around, WEB, 443, NO_USE)
        return found.tls.name if found.tls else ""

    assert name() == ""
    first, second = policy("p", hostname="p.example.com"), policy("q", day=2, hostname="q.example.com")
    assert follow(Applied(first), Applied(second)) == {"p", "q"}
    assert name() == "p.example.com"
    assert follow(Applied(policy("p", "shop"))) == {"p", "q"}  # the younger one decides now
    assert name() == "q.example.com"
    assert follow(Deleted(BackendTLSPolicy, key("q"))) == {"p"}
    assert name() == ""


def test_the_statuses_of_a_policy_name_at_most_16_gateways() -> None:
    written = policy("p")
    gates = [ObjectRef("Gateway", NS, f"g{number:02}") for number in range(20)]
    found = policy_outcome(context(written), written, gates).status
    assert [each.parent.name for each in found.ancestors] == [each.name for each in gates[:16]]
    assert found.generation == 1
    assert policy_outcome(context(written), written, []).status.ancestors == ()


@pytest.mark.parametrize(
    ("app_protocol", "spoken"),
    [
        (None, BackendProtocol.HTTPS),
        ("kubernetes.io/h2c", BackendProtocol.GRPCS),
        ("kubernetes.io/ws", BackendProtocol.HTTPS),
        ("kubernetes.io/wss", BackendProtocol.WSS),
        ("HTTPS", BackendProtocol.HTTPS),
        ("grpcs", BackendProtocol.GRPCS),
        ("mysql", BackendProtocol.HTTPS),
    ],
)
def test_tls_is_spoken_whatever_protocol_the_port_names(app_protocol: str | None, spoken: BackendProtocol) -> None:
    web = service("web", {"port": 443, "appProtocol": app_protocol} if app_protocol else 443)
    world = World(web, AUTHORITY, policy("p"))
    around = GatewayContext(world.state, NO_GATEWAYS, Grants(world.state))
    route = translate_http_route(around, http_route(to("web:443")))
    (backend,) = route.backends.values()
    assert (backend.protocol, backend.upstream.tls) == (spoken, NAMED)
    assert transport_socket(backend) is not None


def test_a_config_map_that_is_gone_closes_the_way() -> None:
    world = World(WEB, AUTHORITY, policy("p"))
    around = GatewayContext(world.state, NO_GATEWAYS, Grants(world.state))
    assert backend_tls(around, WEB, 443, NO_USE).tls == NAMED
    world.apply(Deleted(ConfigMap, key("ca")))
    assert backend_tls(around, WEB, 443, NO_USE).refused


def test_secrets_hold_no_authorities_of_policies() -> None:
    written = policy("p", caCertificateRefs=[named("ca", "Secret")])
    assert conditions(context(written, secret("ca")), written) == ("NoValidCACertificate", "InvalidKind")


def test_an_unnamed_port_has_the_policy_of_the_whole_service() -> None:
    world = World(service("web", 443), AUTHORITY, policy("p"))
    around = GatewayContext(world.state, NO_GATEWAYS, Grants(world.state))
    web = world.state.all_of(Service)[key("web")]
    assert backend_tls(around, web, 443, NO_USE).tls == NAMED


def test_a_policy_of_a_port_that_the_service_lacks_is_refused() -> None:
    typo, half = policy("typo", "web/htps"), policy("half", "web/htps", "web/https")
    around = context(typo, half)
    assert conditions(around, typo)[0] == "TargetNotFound"
    assert conditions(around, half)[0] == "Accepted"
    assert conditions(context(policy("later", "absent/https")), policy("later", "absent/https"))[0] == "Accepted"
