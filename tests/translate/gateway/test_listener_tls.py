"""The end of TLS at listeners: certificates, the authorities of clients, and references that can't be followed."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.support.gateway_objects import gateway_object, reference_grant
from tests.support.objects import LONG_AGO, NS, World, certificate, config_map, key, secret, secret_of, service
from xds.kube.change import Deleted
from xds.kube.gateway_objects import Gateway, GatewayClass, ListenerSet
from xds.kube.objects import KubeObject, Secret
from xds.problems.problem import Key, ObjectRef
from xds.problems.reasons import Reason
from xds.traffic.backend_tls import Authorities, CredentialKey, CredentialPart
from xds.traffic.bound import ChainTls, ClientCheck
from xds.translate.gateway.context import GatewayContext
from xds.translate.gateway.grants import Grants
from xds.translate.gateway.listening.gateway_use import GatewayUse, parent_use
from xds.translate.gateway.listening.listener_tls import ListenerTls, insecure_frontend, listener_tls
from xds.translate.gateway.options import CONTROLLER, NO_GATEWAYS, GatewayOptions
from xds.translate.gateway.translated import grants

NOW = datetime(2026, 6, 1, tzinfo=UTC)
CA = CredentialKey(key("ca"), CredentialPart.CONFIG_MAPS)
AUTHORITY = certificate("authority").chain


def https(*refs: str | dict[str, Any], name: str = "https", port: int = 443, **listener: Any) -> dict[str, Any]:
    """A listener with certificateRefs, each as `NAMESPACE/SECRET` or a part of that."""
    tls = {"certificateRefs": [each if isinstance(each, dict) else reference(each) for each in refs]}
    return {"name": name, "port": port, "protocol": "HTTPS", "tls": tls, **listener}


def reference(text: str, kind: str = "Secret") -> dict[str, Any]:
    namespace, _, name = text.rpartition("/")
    return {"group": "", "kind": kind, "name": name} | ({"namespace": namespace} if namespace else {})


def gateway(*listeners: dict[str, Any], **spec: Any) -> Gateway:
    found = gateway_object(Gateway, "gate", gatewayClassName="envoy", listeners=list(listeners), **spec)
    assert isinstance(found, Gateway)
    return found


def validation(*refs: str | dict[str, Any], **fields: Any) -> dict[str, Any]:
    written = [each if isinstance(each, dict) else reference(each, "ConfigMap") for each in refs]
    return {"validation": {"caCertificateRefs": written, **fields}}


def frontend(default: dict[str, Any], **ports: dict[str, Any]) -> dict[str, Any]:
    """The field `tls` of a Gateway."""
    per_port = [{"port": int(port.removeprefix("p")), "tls": tls} for port, tls in ports.items()]
    return {"frontend": {"default": default, "perPort": per_port}}


def context(*objects: KubeObject) -> GatewayContext:
    state = World(*objects).state
    return GatewayContext(state, NO_GATEWAYS, Grants(state))


def found(gate: Gateway, *objects: KubeObject, index: int = 0, now: datetime = NOW) -> ListenerTls:
    assert gate.spec.listeners
    return listener_tls(context(*objects), gate, gate, gate.spec.listeners[index], now)


def wrong(result: ListenerTls) -> tuple[str, str]:
    """The reasons of the conditions Accepted and ResolvedRefs; empty for a condition that is true."""
    refusals = (result.refused, result.unresolved)
    accepted, resolved = (each.reason if each else "" for each in refusals)
    return accepted, resolved


def test_a_listener_serves_the_certificates_of_all_its_secrets() -> None:
    result = found(gateway(https("rsa", "ecdsa")), secret("ecdsa"), secret("rsa", certificate("test", kind="rsa2048")))
    assert result.tls == ChainTls((key("ecdsa"), key("rsa")))
    assert set(result.certificates) == {key("ecdsa"), key("rsa")}
    assert wrong(result) == ("", "")
    assert result.references == {ObjectRef("Secret", NS, "rsa"), ObjectRef("Secret", NS, "ecdsa")}


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        (reference("absent"), "Secret default/absent doesn't exist"),
        (reference("bad"), "its tls.crt is not a chain of certificates in PEM"),
        ({"group": "wrong.io", "kind": "Secret", "name": "good"}, "is no Secret of the core group"),
        ({"group": "", "kind": "Safe", "name": "good"}, "is no Secret of the core group"),
    ],
    ids=["absent", "malformed", "group", "kind"],
)
def test_a_certificate_that_cannot_be_had_closes_the_listener(ref: dict[str, Any], words: str) -> None:
    bad = secret_of("bad", b"Hello world\n", b"Hello world\n")
    result = found(gateway(https(ref)), secret("good"), bad)
    assert result.tls is None
    assert wrong(result) == ("", "InvalidCertificateRef")
    assert result.unresolved
    assert words in result.unresolved.message
    assert str(result.unresolved.field) == "spec.listeners[0].tls.certificateRefs[0]"


def test_an_invalid_reference_leaves_the_other_certificates_served() -> None:
    result = found(gateway(https("good", "absent")), secret("good"))
    assert result.tls == ChainTls((key("good"),))
    assert wrong(result) == ("", "InvalidCertificateRef")
    assert result.unresolved
    assert "the others are in use" in result.unresolved.message


@pytest.mark.parametrize("tls", [None, {}, {"certificateRefs": []}], ids=["absent", "empty", "no reference"])
def test_a_listener_without_certificate_is_closed(tls: dict[str, Any] | None) -> None:
    listener = {**https(), "tls": tls} if tls is not None else {k: v for k, v in https().items() if k != "tls"}
    result = found(gateway(listener))
    assert (result.tls, wrong(result)) == (None, ("", "InvalidCertificateRef"))


def test_a_secret_of_another_namespace_needs_a_grant() -> None:
    other = secret("cert", ns="safe")
    denied = found(gateway(https("safe/cert")), other)
    assert (denied.tls, wrong(denied)) == (None, ("", "RefNotPermitted"))
    assert denied.references == {ObjectRef("Secret", "safe", "cert"), grants("safe")}
    assert denied.certificates == {}
    given = found(gateway(https("safe/cert")), other, reference_grant("safe", kind="Gateway", to_kind="Secret"))
    assert given.tls == ChainTls((Key("safe", "cert"),))
    for_routes = reference_grant("safe", kind="HTTPRoute", to_kind="Secret")
    assert wrong(found(gateway(https("safe/cert")), other, for_routes)) == ("", "RefNotPermitted")


def test_a_listener_set_names_secrets_of_its_own_namespace_and_by_its_own_grants() -> None:
    written = gateway_object(
        ListenerSet, "more", "team", parentRef={"name": "gate", "namespace": NS}, listeners=[https("cert")]
    )
    assert isinstance(written, ListenerSet)
    assert written.spec.listeners
    gate = gateway()
    around = context(secret("cert", ns="team"), secret("cert", certificate("other")))
    result = listener_tls(around, gate, written, written.spec.listeners[0], NOW)
    assert result.tls == ChainTls((Key("team", "cert"),))


def test_the_last_good_certificate_of_a_secret_that_went_bad_is_still_served() -> None:
    gate = gateway(https("cert"))
    assert gate.spec.listeners
    world = World(secret("cert"))
    around = GatewayContext(world.state, NO_GATEWAYS, Grants(world.state))
    good = listener_tls(around, gate, gate, gate.spec.listeners[0], NOW)
    world.add(secret_of("cert", b"broken", b"broken"))
    after = listener_tls(around, gate, gate, gate.spec.listeners[0], NOW)
    assert (after.tls, after.certificates) == (good.tls, good.certificates)
    assert wrong(after) == ("", "InvalidCertificateRef")
    assert after.unresolved
    assert "its last good certificate is still served" in after.unresolved.message
    world.apply(Deleted(Secret, key("cert")))
    assert listener_tls(around, gate, gate, gate.spec.listeners[0], NOW).tls is None


def test_a_certificate_outside_its_time_is_a_problem_with_the_date_of_the_next_look() -> None:
    ends = NOW + timedelta(days=30)
    gate, pair = gateway(https("cert")), secret("cert", certificate("test", until=ends))
    early = found(gate, pair)
    assert early.problems == ()
    assert early.dates == (LONG_AGO, ends - timedelta(days=14), ends)
    late = found(gate, pair, now=ends)
    assert late.tls == early.tls
    assert [(each.object, each.reason) for each in late.problems] == [(gate.ref, Reason.CERTIFICATE_EXPIRED)]


def test_a_certificate_without_the_hostname_of_the_listener_is_served_with_a_problem() -> None:
    pair = secret("cert", certificate("*.example.org", "example.com"))
    names = {"a.example.org": 0, "*.example.org": 0, "example.com": 0, "A.Example.Org": 0, "a.b.example.org": 1}
    for hostname, problems in names.items():
        result = found(gateway(https("cert", hostname=hostname)), pair)
        assert result.tls
        reasons = [each.reason for each in result.problems]
        assert reasons == [Reason.CERTIFICATE_NAMES_OTHERS] * problems, hostname


def test_passthrough_reads_no_certificate_and_is_refused_for_https() -> None:
    tls = {"mode": "Passthrough", "certificateRefs": [reference("absent")]}
    passed = found(gateway({"name": "tls", "port": 443, "protocol": "TLS", "tls": tls}))
    assert passed == ListenerTls()
    assert wrong(found(gateway(https() | {"tls": tls}))) == ("UnsupportedValue", "")
    unknown = gateway({"name": "tls", "port": 443, "protocol": "TLS", "tls": {"mode": "Peek"}})
    assert wrong(found(unknown)) == ("UnsupportedValue", "")


CASES = {
    "absent": (reference("absent", "ConfigMap"), "InvalidCACertificateRef"),
    "no ca.crt": (reference("empty", "ConfigMap"), "InvalidCACertificateRef"),
    "no certificate": (reference("bad", "ConfigMap"), "InvalidCACertificateRef"),
    "kind": (reference("web", "Service"), "InvalidCACertificateKind"),
    "secret": (reference("cert"), "InvalidCACertificateKind"),
    "group": ({"group": "wrong.io", "kind": "ConfigMap", "name": "ca"}, "InvalidCACertificateKind"),
    "namespace": (reference("other/ca", "ConfigMap"), "RefNotPermitted"),
}
OBJECTS = (
    secret("cert"),
    service("web"),
    config_map("ca", **{"ca.crt": AUTHORITY.decode()}),
    config_map("ca", ns="other", **{"ca.crt": AUTHORITY.decode()}),
    config_map("empty"),
    config_map("bad", **{"ca.crt": "Hello world"}),
)


@pytest.mark.parametrize("case", CASES)
def test_a_listener_whose_clients_cannot_be_verified_is_refused_and_never_served_unverified(case: str) -> None:
    ref, reason = CASES[case]
    for mode in ("AllowValidOnly", "AllowInsecureFallback"):
        result = found(gateway(https("cert"), tls=frontend(validation(ref, mode=mode))), *OBJECTS)
        assert wrong(result) == ("NoValidCACertificate", reason)
        assert (result.tls, result.certificates, result.credentials) == (None, {}, {})


def test_clients_are_asked_for_certificates_by_the_authorities_of_valid_references() -> None:
    gate = gateway(https("cert"), tls=frontend(validation("ca")))
    result = found(gate, *OBJECTS)
    assert result.tls == ChainTls((key("cert"),), ClientCheck(CA, required=True))
    assert result.credentials == {CA: Authorities(AUTHORITY)}
    partly = found(gateway(https("cert"), tls=frontend(validation("absent", "ca"))), *OBJECTS)
    assert partly.tls == result.tls
    assert wrong(partly) == ("", "InvalidCACertificateRef")
    grant = reference_grant("other", kind="Gateway", to_kind="ConfigMap")
    both = found(gateway(https("cert"), tls=frontend(validation("ca", "other/ca"))), *OBJECTS, grant)
    together = CredentialKey(key("ca"), CredentialPart.CONFIG_MAPS, (Key("other", "ca"),))
    assert both.credentials == {together: Authorities(AUTHORITY + AUTHORITY)}
    assert CredentialKey.named(str(together)) == together


def test_a_fallback_lets_clients_in_without_a_good_certificate_and_shows_at_the_gateway() -> None:
    gate = gateway(https("cert"), tls=frontend(validation("ca", mode="AllowInsecureFallback")))
    assert found(gate, *OBJECTS).tls == ChainTls((key("cert"),), ClientCheck(CA, required=False))
    assert insecure_frontend(gate)
    per_port = frontend({}, p8443=validation("ca", mode="AllowInsecureFallback"))
    assert insecure_frontend(gateway(tls=per_port))
    assert not insecure_frontend(gateway(tls=frontend(validation("ca"))))
    unknown = gateway(https("cert"), tls=frontend(validation("ca", mode="AllowSometimes")))
    assert (found(unknown, *OBJECTS).tls, wrong(found(unknown, *OBJECTS))) == (None, ("UnsupportedValue", ""))


def test_the_validation_of_a_port_overrides_the_default_also_with_none() -> None:
    tls = frontend(validation("ca"), p8443=validation("absent"), p9443={})
    gate = gateway(https("cert"), https("cert", port=8443), https("cert", port=9443), tls=tls)
    assert [wrong(found(gate, *OBJECTS, index=index))[0] for index in range(3)] == ["", "NoValidCACertificate", ""]
    assert found(gate, *OBJECTS, index=2).tls == ChainTls((key("cert"),))


def test_listeners_of_protocol_tls_ask_no_client_for_a_certificate() -> None:
    listener = {**https("cert"), "protocol": "TLS"}
    assert found(gateway(listener, tls=frontend(validation("ca"))), *OBJECTS).tls == ChainTls((key("cert"),))


def test_expired_authorities_are_a_problem() -> None:
    old = config_map("ca", **{"ca.crt": certificate("authority", until=NOW).chain.decode()})
    result = found(gateway(https("cert"), tls=frontend(validation("ca"))), secret("cert"), old)
    assert result.tls
    assert NOW in result.dates
    assert [each.reason for each in result.problems] == [Reason.CERTIFICATE_EXPIRED]
    assert "ConfigMap default/ca" in result.problems[0].message


def test_the_certificate_for_backends_must_be_permitted_and_usable() -> None:
    def use(ref: dict[str, Any], *objects: KubeObject) -> GatewayUse:
        gate = gateway(tls={"backend": {"clientCertificateRef": ref}})
        return parent_use(context(secret("cert"), secret("cert", ns="safe"), *objects), gate)

    def reason(ref: dict[str, Any], *objects: KubeObject) -> str:
        result = use(ref, *objects)
        assert result.parent.client_certificate is None
        return result.unresolved.reason if result.unresolved else ""

    assert use(reference("cert")).parent.client_certificate == key("cert")
    assert reason(reference("absent")) == "InvalidClientCertificateRef"
    assert reason(reference("bad"), secret_of("bad", None, None)) == "InvalidClientCertificateRef"
    assert reason(reference("cert", "WrongKind")) == "InvalidClientCertificateRef"
    assert reason({"group": "wrong.io", "kind": "Secret", "name": "cert"}) == "InvalidClientCertificateRef"
    assert reason(reference("safe/cert")) == "RefNotPermitted"
    grant = reference_grant("safe", kind="Gateway", to_kind="Secret")
    assert use(reference("safe/cert"), grant).parent.client_certificate == Key("safe", "cert")
    assert parent_use(context(), gateway()) == GatewayUse()


def test_no_result_shows_a_private_key() -> None:
    result = found(gateway(https("cert"), tls=frontend(validation("ca"))), *OBJECTS)
    assert "PRIVATE KEY" not in repr(replace(result, references=frozenset()))
    assert "CERTIFICATE" not in repr(result.credentials)


def test_certificates_of_listeners_are_among_those_in_use_with_their_dates() -> None:
    ends = datetime(2027, 1, 1, tzinfo=UTC)
    gate = gateway(https("cert"))
    objects = gateway_object(GatewayClass, "envoy", "", controllerName=CONTROLLER), gate, secret("other")
    world = World(*objects, gateway=GatewayOptions(addresses=("192.0.2.1",)))
    assert world.traffic.certificates == {}
    world.add(secret("cert", certificate("test", until=ends)))
    traffic = world.traffic
    assert list(traffic.certificates) == [key("cert")]
    assert traffic.certificates is traffic.certificates
    assert traffic.certificate_expiry == {key("cert"): ends}
    verdict = traffic.served_verdict(key("cert"))
    assert verdict
    assert verdict.expires == ends
    assert traffic.date_period.until == ends - timedelta(days=14)
    world.apply(Deleted(Gateway, gate.key))
    assert (traffic.certificates, traffic.certificate_expiry) == ({}, {})
