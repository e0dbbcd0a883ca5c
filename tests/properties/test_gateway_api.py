"""Translation of the Gateway API for generated objects.

Covers: step by step equals fresh, in any order and in any batches; listeners, tables and backends agree; statuses count
attached routes. Excludes: Envoy's messages (tests/resources), and broken certificates, where the last good
certificate stays by design.
"""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.gateway_objects import gateway_object
from tests.support.gateway_world import OPTIONS, GatewayWorld, gateway_class, namespace
from tests.support.objects import certificate, secret, service
from xds.kube.decode import decode
from xds.kube.gateway_objects import (
    GROUP,
    ROUTE_KINDS,
    Gateway,
    GRPCRoute,
    HTTPRoute,
    ListenerSet,
    ReferenceGrant,
    Route,
    TCPRoute,
    TLSRoute,
    UDPRoute,
)
from xds.kube.kinds import KINDS
from xds.kube.objects import KubeObject
from xds.translate.gateway.options import CONTROLLER
from xds.translate.gateway.status import GatewayStatus

SETTINGS = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# Few of each kind, so that objects meet.
NAMESPACES = st.sampled_from(["default", "team"])
HOSTNAMES = st.sampled_from(
    ["a.example.com", "b.example.com", "*.example.com", "x.a.example.com", "*.a.example.com", "*.com"]
)
PROTOCOLS = st.sampled_from(["HTTP", "HTTP", "HTTPS", "TLS", "TCP", "UDP", "odd"])
PAIR = certificate("a.example.com", "*.example.com")


def optional(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=fields)


@st.composite
def listeners(draw: st.DrawFn) -> list[dict[str, Any]]:
    found = []
    for index in range(draw(st.integers(1, 3))):
        protocol = draw(PROTOCOLS)
        each = {"name": f"l{index}", "port": draw(st.sampled_from([80, 443])), "protocol": protocol}
        if protocol in ("HTTP", "HTTPS", "TLS"):
            each |= draw(optional(hostname=HOSTNAMES))
        if protocol in ("HTTPS", "TLS"):
            refs = [{"name": draw(st.sampled_from(["cert", "nowhere"])), "namespace": draw(NAMESPACES)}]
            modes = ["Terminate", "Passthrough"] if protocol == "TLS" else ["Terminate"]
            each["tls"] = {"certificateRefs": refs, "mode": draw(st.sampled_from(modes))}
        from_ = draw(st.sampled_from(["All", "Same", "Selector"]))
        each["allowedRoutes"] = {"namespaces": {"from": from_, "selector": {"matchLabels": {"open": "yes"}}}}
        found.append(each)
    return found


ADDRESSES = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["IPAddress", "IPAddress", "Hostname"])},
        optional={"value": st.sampled_from([*OPTIONS.addresses, "203.0.113.1"])},
    ),
    max_size=2,
)
CLASSES = st.sampled_from(["ours", "ours", "other"])
PARENT_KINDS = st.sampled_from(["Gateway", "ListenerSet"])
PARENTS = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(["one", "two"]),
            "namespace": NAMESPACES,
            "kind": st.sampled_from(["Gateway", "ListenerSet"]),
        },
        optional={"sectionName": st.sampled_from(["l0", "l1"]), "port": st.sampled_from([80, 443])},
    ),
    max_size=3,
)
PORTS = st.sampled_from([80, 81])
REFS = st.lists(
    st.fixed_dictionaries(
        {
            "name": st.sampled_from(["web", "api", "ghost"]),
            "port": st.sampled_from([80, 81]),
            "weight": st.integers(0, 2),
        },
        optional={"namespace": NAMESPACES},
    ),
    max_size=2,
)
PATHS = st.fixed_dictionaries(
    {"type": st.sampled_from(["Exact", "PathPrefix"]), "value": st.sampled_from(["/", "/a", "/a/b"])}
)


@st.composite
def gateways(draw: st.DrawFn) -> KubeObject:
    from_ = draw(st.sampled_from(["All", "Same", "None", "Selector"]))
    allowed = {"namespaces": {"from": from_, "selector": {"matchLabels": {"open": "yes"}}}}
    spec = {"gatewayClassName": draw(CLASSES), "listeners": draw(listeners()), "allowedListeners": allowed}
    named = draw(ADDRESSES)
    return gateway_object(Gateway, draw(st.sampled_from(["one", "two"])), draw(NAMESPACES), **spec, addresses=named)


@st.composite
def listener_sets(draw: st.DrawFn) -> KubeObject:
    parent = {"name": draw(st.sampled_from(["one", "two"])), "namespace": draw(NAMESPACES)}
    name = draw(st.sampled_from(["one", "two"]))
    return gateway_object(ListenerSet, name, draw(NAMESPACES), parentRef=parent, listeners=draw(listeners()))


@st.composite
def routes(draw: st.DrawFn) -> KubeObject:
    kinds: list[type[Route]] = [HTTPRoute, HTTPRoute, HTTPRoute, GRPCRoute, GRPCRoute, TLSRoute, TCPRoute, UDPRoute]
    kind = draw(st.sampled_from(kinds))
    rule: dict[str, Any] = {"backendRefs": draw(REFS)}
    spec: dict[str, Any] = {"parentRefs": draw(PARENTS)}
    if kind in (HTTPRoute, GRPCRoute, TLSRoute):
        spec["hostnames"] = draw(st.lists(HOSTNAMES, max_size=2))
    if kind is HTTPRoute:
        rule["matches"] = [{"path": draw(PATHS)}]
    return gateway_object(kind, draw(st.sampled_from(["r", "s"])), draw(NAMESPACES), **spec, rules=[rule])


@st.composite
def grants(draw: st.DrawFn) -> KubeObject:
    kinds = ["HTTPRoute", "TCPRoute", "Gateway", "ListenerSet"]
    from_ = [{"group": GROUP, "kind": draw(st.sampled_from(kinds)), "namespace": draw(NAMESPACES)}]
    to = [{"group": "", "kind": draw(st.sampled_from(["Service", "Secret"]))}]
    return gateway_object(ReferenceGrant, "grant", draw(NAMESPACES), **{"from": from_, "to": to})


OBJECTS = st.one_of(
    gateways(),
    listener_sets(),
    routes(),
    routes(),
    grants(),
    st.builds(service, st.sampled_from(["web", "api"]), ns=NAMESPACES),
    st.builds(lambda ns: secret("cert", PAIR, ns=ns), NAMESPACES),
    st.builds(lambda ns, value: namespace(ns, open=value), NAMESPACES, st.sampled_from(["yes", "no"])),
    st.builds(
        gateway_class,
        st.sampled_from(["ours", "other"]),
        st.sampled_from([CONTROLLER, "example.com/controller"]),
    ),
)
CHANGES = st.lists(st.tuples(OBJECTS, st.sampled_from(["apply", "apply", "apply", "delete"])), max_size=30)


@given(CHANGES, st.integers(1, 5))
@SETTINGS
def test_step_by_step_equals_a_fresh_translation(changes: list[tuple[KubeObject, str]], batch: int) -> None:
    world = GatewayWorld()
    for start in range(0, len(changes), batch):
        for verb in ("apply", "delete"):
            group = [each for each, wanted in changes[start : start + batch] if wanted == verb]
            getattr(world, verb)(*group)
    objects = [each for kind in KINDS for each in world.state.all_of(kind).values()]
    fresh = GatewayWorld(*objects, has_class=False)
    assert world.snapshot() == fresh.snapshot()


ODD = st.sampled_from(
    ["", "*", "*.", "a..b", "x" * 300, "é", "a\x00b", "::1", "192.0.2.1", "A.Example.COM", "http", "web"]
)
NUMBERS = st.sampled_from([-1, 0, 1, 80, 443, 65536, 2**31])
PATH_TYPES = st.sampled_from(["Exact", "PathPrefix", "RegularExpression"])
ODD_MATCH = optional(
    path=st.fixed_dictionaries({"type": ODD | PATH_TYPES, "value": ODD}),
    headers=st.lists(st.fixed_dictionaries({"name": ODD, "value": ODD, "type": ODD}), max_size=2),
    queryParams=st.lists(st.fixed_dictionaries({"name": ODD, "value": ODD, "type": ODD}), max_size=2),
    method=ODD,
)
ODD_REF = st.fixed_dictionaries(
    {"name": ODD}, optional={"port": NUMBERS, "weight": NUMBERS, "kind": ODD, "namespace": ODD}
)
ODD_FILTER = st.fixed_dictionaries(
    {
        "type": ODD
        | st.sampled_from(["RequestRedirect", "URLRewrite", "CORS", "RequestMirror", "RequestHeaderModifier"])
    },
    optional={
        "requestRedirect": optional(hostname=ODD, port=NUMBERS, statusCode=NUMBERS, scheme=ODD),
        "requestHeaderModifier": optional(set=st.lists(st.fixed_dictionaries({"name": ODD, "value": ODD}), max_size=2)),
        "requestMirror": st.fixed_dictionaries({"backendRef": ODD_REF}, optional={"percent": NUMBERS}),
        "cors": optional(allowOrigins=st.lists(ODD, max_size=2), maxAge=NUMBERS),
    },
)
ODD_RULE = optional(
    matches=st.lists(ODD_MATCH, max_size=2),
    backendRefs=st.lists(ODD_REF, max_size=2),
    filters=st.lists(ODD_FILTER, max_size=2),
    timeouts=optional(request=ODD, backendRequest=ODD),
    retry=optional(codes=st.lists(NUMBERS, max_size=2), attempts=NUMBERS, backoff=ODD),
)
ODD_LISTENER = st.fixed_dictionaries(
    {"name": ODD, "port": NUMBERS, "protocol": PROTOCOLS | ODD},
    optional={
        "hostname": ODD,
        "tls": optional(mode=ODD, certificateRefs=st.lists(ODD_REF, max_size=1)),
        "allowedRoutes": optional(kinds=st.lists(st.fixed_dictionaries({"kind": ODD, "group": ODD}), max_size=2)),
    },
)


@given(st.lists(ODD_LISTENER, max_size=3), st.lists(ODD_RULE, max_size=3), st.lists(ODD, max_size=2), st.data())
@settings(SETTINGS, max_examples=60)
def test_values_that_no_api_server_lets_pass_harm_nothing_else(
    odd_listeners: list[dict[str, Any]], rules: list[dict[str, Any]], hostnames: list[str], data: st.DataObject
) -> None:
    kind = data.draw(st.sampled_from(ROUTE_KINDS))
    parents = [{"name": "one", "namespace": "default"}]
    odd = [
        gateway_object(Gateway, "odd", gatewayClassName="ours", listeners=odd_listeners),
        _decoded(kind, rules, hostnames, [{"name": "odd"}, *parents]),
    ]
    listener = {"name": "l0", "port": 80, "protocol": "HTTP"}
    fine = [
        gateway_object(Gateway, "one", gatewayClassName="ours", listeners=[listener]),
        gateway_object(HTTPRoute, "fine", parentRefs=parents, hostnames=["fine.example.com"], rules=[{}]),
    ]
    world = GatewayWorld(service("web"), *fine, *filter(None, odd))
    assert world.reasons(fine[1])["Accepted"] == "Accepted"
    assert any("fine.example.com" in hosts for hosts in world.api.tables.values())


def _decoded(
    kind: type[Route], rules: list[dict[str, Any]], hostnames: list[str], parents: list[dict[str, Any]]
) -> KubeObject | None:
    """The route, unless its types are wrong."""
    metadata = {"name": "odd", "namespace": "default"}
    spec = {"rules": rules, "hostnames": hostnames, "parentRefs": parents}
    found = decode({"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata, "spec": spec})
    return found if isinstance(found, kind) else None


@given(CHANGES)
@SETTINGS
def test_listeners_tables_and_statuses_agree(changes: list[tuple[KubeObject, str]]) -> None:
    world = GatewayWorld(*(each for each, verb in changes if verb == "apply"))
    api = world.api
    named = {chain.table for each in api.listeners.values() for chain in each.chains if chain.table}
    assert set(api.tables) <= named
    used = {key for each in world.backends.values() for key in each}
    for hosts in api.tables.values():
        for domain, host in hosts.items():
            assert host.host == domain
            assert used.issuperset(host for each in host.routes for host in each.backends)
    for plan in api.gateways.values():
        status = api.statuses[plan.gateway.ref]
        assert isinstance(status, GatewayStatus)
        for each in status.listeners:
            attached = [one for one in api.routes.values() if (plan.gateway.ref, each.name) in one.slots]
            assert each.attached_routes == len(attached)
