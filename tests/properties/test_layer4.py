"""Ports of layer 4 for generated ConfigMaps and Services.

Covers: any text of an entry or item is a claim or a Problem, never an exception; after each edit, and step by step, the
outcome equals a fresh one; no entry changes the port of another; every resource keeps the rules of Envoy's API.
Excludes: the meaning of texts (tests/translate/layer4), HTTP beside (test_translation.py).
"""

from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.objects import feed, metadata, pipeline, service
from xds.controlplane.pipeline import Pipeline
from xds.envoyapi import codec
from xds.envoyapi.constraints import violations
from xds.kube.change import Applied, Change, Deleted
from xds.kube.objects import ConfigMap, KubeObject, Metadata, Service
from xds.problems.field_path import FieldPath, MapKey
from xds.problems.problem import Key, ObjectRef
from xds.snapshot.resource import ResourceType
from xds.traffic.layer4 import PortKey, Transport
from xds.translate.layer4.claims import ClaimState
from xds.translate.layer4.entries import annotation_item, config_map_entry
from xds.translate.layer4.options import Layer4Options, PortRange
from xds.translate.options import TranslateOptions

FEW = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
EDITS = settings(max_examples=70, deadline=None, suppress_health_check=[HealthCheck.too_slow])
MANY = settings(max_examples=150, deadline=None)

CONFIG_MAPS = {Transport.TCP: Key("ops", "tcp"), Transport.UDP: Key("ops", "udp")}
OPTIONS = TranslateOptions(
    allow_external_name=True,
    layer4=Layer4Options(
        CONFIG_MAPS,
        (PortRange(1, 9001, "default"), PortRange(9000, 9000, "team", (Transport.TCP,))),
        frozenset({PortKey(Transport.TCP, 80)}),
    ),
)

odd_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
numbers = st.sampled_from(["53", "053", "80", "9000", "9001", "0", "70000", "x"])
service_ports = st.one_of(st.sampled_from(["53", "dns", "80", "http", ""]), odd_text)
flags = st.lists(st.sampled_from(["", "PROXY", "proxy_v2", "BAD"]), max_size=3).map(
    lambda each: "".join(map(":{}".format, each))
)
spaces = st.sampled_from(["", "", " "])
entries = st.one_of(
    st.builds(
        "{}{}/{}:{}{}".format,
        spaces,
        st.sampled_from(["default", "team", "x/y", ""]),
        st.sampled_from(["web", "dns", "ghost", ""]),
        service_ports,
        flags,
    ),
    odd_text,
)
items = st.one_of(
    st.builds(
        "{}{}={}:{}{}".format, spaces, numbers, st.sampled_from(["tcp", "udp", "UDP", "sctp"]), service_ports, flags
    ),
    odd_text.map(lambda text: text.replace(",", "")),
)
data = st.dictionaries(st.one_of(numbers, odd_text), entries, max_size=5)


@st.composite
def config_maps(draw: st.DrawFn) -> ConfigMap:
    name = draw(st.sampled_from(["tcp", "udp"]))
    return ConfigMap(Metadata(name, "ops"), draw(data))


@st.composite
def services(draw: st.DrawFn) -> Service:
    ports = draw(
        st.lists(
            st.sampled_from(
                [
                    {"name": "http", "port": 80},
                    {"name": "dns", "port": 53, "protocol": "UDP"},
                    {"name": "dns-tcp", "port": 53},
                    {"port": 9000, "appProtocol": "https"},
                    {"name": "bad", "port": 0},
                ]
            ),
            unique_by=lambda each: (each["port"], each.get("protocol")),
            max_size=4,
        )
    )
    annotations = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "xds-ingress.dev/expose": st.lists(items, max_size=4).map(",".join),
                "xds-ingress.dev/tcp-idle-timeout": st.one_of(st.just("5m"), odd_text),
                "xds-ingress.dev/udp-idle-timeout": st.one_of(st.just("5s"), odd_text),
            },
        )
    )
    spec: dict[str, Any] = {"ports": ports, "sessionAffinity": draw(st.sampled_from([None, "ClientIP"]))}
    if draw(st.integers(0, 4)) == 0:
        spec |= {"type": "ExternalName", "externalName": draw(st.sampled_from(["db.example.com", "localhost", ""]))}
    day = draw(st.sampled_from([None, "2024-01-01T00:00:00Z", "2024-01-02T00:00:00Z"]))
    created = {"creationTimestamp": day} if day else {}
    name, ns = draw(st.sampled_from(["web", "dns"])), draw(st.sampled_from(["default", "team"]))
    return msgspec.convert({"metadata": metadata(name, ns, annotations=annotations, **created), "spec": spec}, Service)


objects: st.SearchStrategy[KubeObject] = st.one_of(config_maps(), services())
deletions = st.sampled_from(
    [
        *(Deleted(ConfigMap, key) for key in CONFIG_MAPS.values()),
        *(Deleted(Service, Key(ns, name)) for ns in ("default", "team") for name in ("web", "dns")),
    ]
)
changes: st.SearchStrategy[Change] = st.one_of(objects.map(Applied), objects.map(Applied), deletions)


config_map_edits: st.SearchStrategy[Change] = st.sampled_from(
    [
        Applied(ConfigMap(Metadata("tcp", "ops"), {})),
        Applied(ConfigMap(Metadata("tcp", "ops"), {"9000": "default/web:80"})),
        Applied(ConfigMap(Metadata("tcp", "ops"), {"9000": "team/web:http", "9001": "default/dns:80"})),
        Applied(ConfigMap(Metadata("tcp", "ops"), fault="no data")),
        Deleted(ConfigMap, CONFIG_MAPS[Transport.TCP]),
    ]
)
service_edits: st.SearchStrategy[Change] = st.sampled_from(
    [
        *(
            Applied(
                service(
                    name,
                    *ports,
                    ns=ns,
                    day=day,
                    annotations={"xds-ingress.dev/expose": exposed, "xds-ingress.dev/tcp-idle-timeout": idle},
                )
            )
            for name, ns in (("web", "default"), ("dns", "default"), ("web", "team"))
            for ports, day, exposed, idle in (
                (["http:80"], 1, "9000=tcp:80", "5m"),
                (["http:80"], 2, "9000=tcp:80", "5m"),
                (["http:80"], 3, "9000=tcp:http", "6m"),
                (["http:81"], 1, "9000=tcp:http, 9001=tcp:81", "5m"),
                (["http:80"], 1, "", "5m"),
            )
        ),
        Applied(service("dns", annotations={"xds-ingress.dev/expos": "9000=tcp:80"})),
        *(Deleted(Service, Key(ns, name)) for ns in ("default", "team") for name in ("web", "dns")),
    ]
)
edits = st.one_of(config_map_edits, service_edits, service_edits)


def left(steps: list[Change]) -> list[KubeObject]:
    final: dict[tuple[type[KubeObject], Key], KubeObject] = {}
    for step in steps:
        if isinstance(step, Applied):
            final[type(step.object), step.object.key] = step.object
        elif isinstance(step, Deleted):
            final.pop((step.kind, step.key), None)
    return list(final.values())


def outcome(of: Pipeline) -> dict[tuple[str, str], str]:
    return {
        (type_.short, name): each.version for type_ in ResourceType for name, each in of.store.resources(type_).items()
    }


def check(of: Pipeline) -> None:
    """Every claim is served, or a Problem tells why not; every port has its listener, and nothing breaks a rule."""
    layer4, ports = of.traffic.layer4, of.traffic.ports
    told = {(each.object, each.field) for each in of.problems}
    seen: set[PortKey] = set()
    for source in layer4.sources:
        for claim in layer4.claims_of(source):
            if claim.state is ClaimState.SERVED:
                assert claim.port is not None
                assert ports[claim.port].route.service == claim.service
                assert claim.port not in seen, "a port has one winner"
                seen.add(claim.port)
            else:
                assert (source, claim.field) in told
            if claim.state is ClaimState.LOST:
                assert claim.port is not None
                assert layer4.claims_for(claim.port)[0].source == claim.winner
    assert seen == set(ports)
    assert PortKey(Transport.TCP, 80) not in ports
    listeners = of.store.resources(ResourceType.LISTENER)
    assert {PortKey.named(name) for name in listeners} - {None} == set(ports)
    for type_ in (ResourceType.LISTENER, ResourceType.CLUSTER):
        for name, resource in of.store.resources(type_).items():
            assert not violations(codec.decode(type_.message, resource.body)), name
    clusters = of.store.resources(ResourceType.CLUSTER)
    assert {str(backend) for each in ports.values() for backend in each.route.backends} == set(clusters)
    for key, each in ports.items():
        assert all(backend.is_udp is (key.transport is Transport.UDP) for backend in each.route.backends)


@MANY
@given(st.sampled_from(Transport), st.text(), st.text())
def test_any_text_of_an_entry_is_a_claim_or_a_problem(transport: Transport, key: str, value: str) -> None:
    entry = config_map_entry(transport, key, value)
    assert entry.faults or (entry.port and entry.service and entry.service_port)


@MANY
@given(st.one_of(st.text(), items, st.tuples(numbers, entries).map("=tcp:".join)))
def test_any_text_of_an_item_is_a_claim_or_a_problem(item: str) -> None:
    entry = annotation_item(Key("default", "web"), item)
    assert entry.faults or (entry.port and entry.service and entry.service_port)


@FEW
@given(st.lists(objects, max_size=5))
def test_any_objects_open_ports_or_tell(some: list[KubeObject]) -> None:
    check(pipeline(*some, translate=OPTIONS))


@FEW
@given(st.lists(changes, max_size=10))
def test_step_by_step_equals_fresh(steps: list[Change]) -> None:
    stepwise = pipeline(translate=OPTIONS)
    for step in steps:
        feed(stepwise, step)
    fresh = pipeline(*left(steps), translate=OPTIONS)
    assert outcome(stepwise) == outcome(fresh)
    assert stepwise.problems == fresh.problems
    for source in fresh.traffic.layer4.sources:
        assert stepwise.traffic.layer4.claims_of(source) == fresh.traffic.layer4.claims_of(source)
    assert stepwise.traffic.layer4.sources == fresh.traffic.layer4.sources
    check(stepwise)


@EDITS
@given(st.lists(edits, min_size=12, max_size=16))
def test_each_edit_equals_fresh(steps: list[Change]) -> None:
    """After each edit, all is as if built anew; instead of an unreadable ConfigMap, from its last readable one."""
    stepwise = pipeline(translate=OPTIONS)
    readable: list[Change] = []
    unreadable: set[ObjectRef] = set()
    for step in steps:
        feed(stepwise, step)
        if isinstance(step, Applied) and isinstance(step.object, ConfigMap) and step.object.fault:
            unreadable.add(step.object.ref)
            if step.object.key not in {each.key for each in left(readable) if isinstance(each, ConfigMap)}:
                readable.append(Applied(ConfigMap(step.object.metadata, {})))
        else:
            if isinstance(step, Deleted):
                unreadable.discard(ObjectRef(step.kind.kind, *step.key))
            elif isinstance(step, Applied):
                unreadable.discard(step.object.ref)
            readable.append(step)
        fresh = pipeline(*left(readable), translate=OPTIONS)
        assert stepwise.traffic.ports == fresh.traffic.ports
        assert stepwise.traffic.backends == fresh.traffic.backends
        assert stepwise.traffic.layer4.sources == fresh.traffic.layer4.sources
        for source in fresh.traffic.layer4.sources:
            assert stepwise.traffic.layer4.claims_of(source) == fresh.traffic.layer4.claims_of(source)
        problems = [each for each in stepwise.problems if each.object not in unreadable or each.field.parts]
        assert problems == fresh.problems
        assert {each.object for each in stepwise.problems if not each.field.parts} >= unreadable
    assert outcome(stepwise) == outcome(fresh)


@FEW
@given(data, st.one_of(numbers, odd_text), entries, st.lists(services(), max_size=3))
def test_an_entry_changes_the_port_of_no_other(
    before: dict[str, str], key: str, value: str, others: list[Service]
) -> None:
    """An entry more, good or bad, touches no port but its own, and no Problem of another entry."""
    ref = ObjectRef("ConfigMap", *CONFIG_MAPS[Transport.TCP])
    entry = config_map_entry(Transport.TCP, key, value)
    built = pipeline(ConfigMap(Metadata(ref.name, ref.namespace), before), *others, translate=OPTIONS)
    ports, problems = dict(built.traffic.ports), set(built.problems)
    feed(built, Applied(ConfigMap(Metadata(ref.name, ref.namespace), {**before, key: value})))
    after = built.traffic.ports
    assert {port for port in ports.keys() | after.keys() if ports.get(port) != after.get(port)} <= {entry.port}
    field = FieldPath.of("data", MapKey(key))
    for each in problems ^ set(built.problems):
        assert each.field == field or str(entry.port) in each.message


@FEW
@given(st.lists(objects, max_size=5), st.data())
def test_the_order_of_arrival_does_not_matter(some: list[KubeObject], drawn: st.DataObject) -> None:
    some = left([Applied(each) for each in some])
    shuffled = drawn.draw(st.permutations(some))
    one, other = pipeline(*some, translate=OPTIONS), pipeline(*shuffled, translate=OPTIONS)
    assert outcome(one) == outcome(other)
    assert one.problems == other.problems
