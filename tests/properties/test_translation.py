"""Translation as a whole, from changes to resources, for generated objects.

Covers: no exception for any API-valid object; step by step equals fresh, in any order and in any batches, except for
held Ingresses; every reference between resources has a target, domains are unique, and no resource breaks a rule of
Envoy's API. Excludes: last good (differs in a fresh process by design; tests/translate), the hold (test_withdrawal.py),
a real Envoy (tests/features).
"""

import itertools
import re
from collections.abc import Iterable
from typing import Any

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.held import as_served, held, others
from tests.support.objects import (
    authorities,
    certificate,
    endpoint,
    feed,
    ingress_class,
    key,
    metadata,
    pipeline,
    secret,
    service,
    slice_of,
)
from xds.controlplane.pipeline import Pipeline
from xds.envoyapi import codec
from xds.envoyapi.constraints import violations
from xds.envoyapi.messages import RouteConfiguration
from xds.kube.change import Applied, Change, Deleted, Listed
from xds.kube.ingress_class import CLASS_ANNOTATION
from xds.kube.kinds import KINDS
from xds.kube.objects import EndpointSlice, Ingress, IngressClass, KubeObject, Secret, Service
from xds.problems.problem import Key
from xds.resources.inlining import inlined
from xds.resources.options import ProxyOptions
from xds.snapshot.resource import ResourceType
from xds.translate.options import TranslateOptions

FEW = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])

# Few of each kind, so that objects meet.
NAMESPACES = st.sampled_from(["default", "team"])
SERVICES = st.sampled_from(["web", "api", "ghost"])
SECRETS = st.sampled_from(["cert-1", "cert-2", "nowhere"])
HOSTS = st.sampled_from(
    [
        *("a.example.com", "b.example.com", "*.example.com", "x.a.example.com", "*.a.example.com"),
        *("www.a.example.com", "one", "xn--bcher-kva.de"),
    ]
)
PORTS = st.one_of(st.fixed_dictionaries({"number": st.sampled_from([80, 81])}), st.just({"name": "http"}))
CERTIFICATES = [certificate("a.example.com", "*.example.com"), certificate("b.example.com", serial=2)]

label = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?", fullmatch=True)
dns_names = st.lists(label, min_size=1, max_size=4).map(".".join).filter(lambda name: not name[-1].isdigit())
hosts = st.one_of(HOSTS, dns_names, dns_names.map("*.{}".format))


def _api_valid(path: str) -> bool:
    """As validateHTTPIngressPath in the API server's pkg/apis/networking/validation."""
    refused = ("//", "/./", "/../", "%2f", "%2F")
    return not any(each in path for each in refused) and not path.endswith(("/..", "/."))


odd_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
paths = st.one_of(
    st.sampled_from(
        ["/", "/foo", "/foo/", "/foo/bar", "/fo", "/Foo", "/caf\xe9", "/caf%C3%A9", "/a?b", "/a#b", "/a\\b"]
    ),
    odd_text.map("/{}".format).filter(_api_valid),
)
specific_paths = st.one_of(st.none(), st.just(""), paths)

backends = st.one_of(
    st.fixed_dictionaries({"service": st.fixed_dictionaries({"name": SERVICES, "port": PORTS})}),
    st.just({"resource": {"apiGroup": "x.example.com", "kind": "Bucket", "name": "b"}}),
)
http_paths = st.one_of(
    st.fixed_dictionaries({"pathType": st.sampled_from(["Prefix", "Exact"]), "path": paths, "backend": backends}),
    st.fixed_dictionaries({"pathType": st.just("ImplementationSpecific"), "path": specific_paths, "backend": backends}),
)
rules = st.fixed_dictionaries(
    {
        "host": st.one_of(st.none(), st.just(""), hosts),
        "http": st.one_of(st.none(), st.fixed_dictionaries({"paths": st.lists(http_paths, min_size=1, max_size=4)})),
    }
)
tls_entries = st.fixed_dictionaries({"hosts": st.lists(hosts, max_size=3), "secretName": st.one_of(st.none(), SECRETS)})
canaries = st.fixed_dictionaries(
    {"nginx.ingress.kubernetes.io/canary": st.sampled_from(["true", "true", "false", "maybe"])},
    optional={
        "nginx.ingress.kubernetes.io/canary-by-header": st.sampled_from(["x-a", "X_B", ":path"]),
        "nginx.ingress.kubernetes.io/canary-by-header-pattern": st.one_of(
            st.sampled_from(["a|b$", "(?=a)", "[a-f]{40}"]), odd_text
        ),
        "nginx.ingress.kubernetes.io/canary-by-cookie": st.just("c"),
        "nginx.ingress.kubernetes.io/canary-weight": st.sampled_from(["0", "50", "2147483647", "-1"]),
        "nginx.ingress.kubernetes.io/canary-weight-total": st.sampled_from(["10", "1000", "2147483647"]),
    },
)
BACKEND_USES = st.sampled_from(
    [
        *("backend-protocol", "load-balance", "upstream-hash-by", "service-upstream", "proxy-connect-timeout"),
        *("connection-proxy-header", "rewrite-target"),
    ]
)
VALUES = st.sampled_from(["HTTPS", "grpc", "AUTO_HTTP", "FCGI", "ewma", "close", "$http_x-${host}", "true", "7", "/"])
other_annotations = st.dictionaries(
    st.one_of(
        st.sampled_from(["description", CLASS_ANNOTATION]),
        BACKEND_USES.map("nginx.ingress.kubernetes.io/{}".format),
        odd_text.map("nginx.ingress.kubernetes.io/{}".format),
    ),
    st.one_of(st.just("envoy"), VALUES, odd_text),
    max_size=3,
)
ALIASES = st.one_of(
    HOSTS, st.sampled_from([".example.com", "a.*", "www.b.example.com", "~x", "foo.example.com"]), odd_text
)
host_names = st.fixed_dictionaries(
    {"nginx.ingress.kubernetes.io/server-alias": st.lists(ALIASES, max_size=3).map(",".join)},
    optional={"nginx.ingress.kubernetes.io/from-to-www-redirect": st.sampled_from(["true", "false", "yes"])},
)
redirects = st.fixed_dictionaries(
    {"nginx.ingress.kubernetes.io/ssl-redirect": st.sampled_from(["true", "true", "false", "on"])},
    optional={
        "nginx.ingress.kubernetes.io/force-ssl-redirect": st.sampled_from(["true", "false"]),
        "nginx.ingress.kubernetes.io/use-port-in-redirects": st.just("true"),
        "nginx.ingress.kubernetes.io/permanent-redirect": st.just("/new"),
        "nginx.ingress.kubernetes.io/app-root": st.just("/app"),
        "nginx.ingress.kubernetes.io/server-alias": ALIASES,
    },
)
client_certificates = st.fixed_dictionaries(
    {
        "nginx.ingress.kubernetes.io/auth-tls-secret": st.sampled_from(
            ["default/ca", "default/ca", "team/ca", "default/nowhere", "ca"]
        )
    },
    optional={
        "nginx.ingress.kubernetes.io/auth-tls-verify-client": st.sampled_from(["on", "optional", "off", "maybe"]),
        "nginx.ingress.kubernetes.io/auth-tls-match-cn": st.sampled_from(["CN=a", "CN=(", "a"]),
        "nginx.ingress.kubernetes.io/auth-tls-error-page": st.sampled_from(["https://x.test", "/x", "\n"]),
        "nginx.ingress.kubernetes.io/server-alias": ALIASES,
    },
)
annotations = st.one_of(
    other_annotations, other_annotations, canaries, host_names, redirects, client_certificates, client_certificates
)
created = st.one_of(st.none(), st.sampled_from([f"2024-01-0{day}T00:00:00Z" for day in (1, 2)]))


def _ingress(name: str, ns: str, created_at: str | None, notes: dict[str, str], spec: dict[str, Any]) -> Ingress:
    fields = metadata(name, ns, creationTimestamp=created_at, annotations=notes)
    return msgspec.convert({"metadata": fields, "spec": spec}, Ingress)


ingresses = st.builds(
    _ingress,
    st.sampled_from(["one", "two", "three"]),
    NAMESPACES,
    created,
    annotations,
    st.fixed_dictionaries(
        {
            "ingressClassName": st.sampled_from(["envoy", "envoy", "envoy", "nginx", None]),
            "defaultBackend": st.one_of(st.none(), backends),
            "rules": st.lists(rules, max_size=3),
            "tls": st.lists(tls_entries, max_size=2),
        }
    ),
)

service_ports: Any = st.sampled_from(
    [
        (80,),
        ("http:80",),
        ("http:81", {"name": "grpc", "port": 80, "appProtocol": "grpc"}),
        ({"port": 80, "appProtocol": "https"},),
        ({"port": 80, "protocol": "UDP"},),
    ]
)
services = st.one_of(
    st.builds(lambda name, ns, ports: service(name, *ports, ns=ns), SERVICES, NAMESPACES, service_ports),
    st.builds(
        lambda ns, dns: service("web", ns=ns, type="ExternalName", externalName=dns),
        NAMESPACES,
        st.sampled_from(["example.org", "localhost", "127.0.0.1", ""]),
    ),
)
conditions = st.sampled_from([None, True, False])
endpoints = st.builds(
    lambda address, ready, serving, terminating, zone: endpoint(
        address, ready=ready, serving=serving, terminating=terminating, zone=zone
    ),
    st.sampled_from(["10.0.0.1", "10.0.0.2", "fd00::1", "nonsense"]),
    conditions,
    conditions,
    conditions,
    st.sampled_from([None, "a", "b"]),
)
slices = st.builds(
    lambda name, ns, of, each, ports: slice_of(of, *each, name=name, ns=ns, ports=ports),
    st.sampled_from(["s1", "s2"]),
    NAMESPACES,
    st.one_of(st.none(), SERVICES),
    st.lists(endpoints, max_size=3),
    st.sampled_from([(8080,), ("http:8080",), ("http:8080", 9090), (0,)]),
)
secrets = st.builds(
    lambda name, ns, pair: secret(name, pair, ns=ns),
    st.sampled_from(["cert-1", "cert-2"]),
    NAMESPACES,
    st.sampled_from(CERTIFICATES),
)
authority_secrets = st.builds(
    lambda ns, pem: authorities("ca", pem, ns=ns),
    NAMESPACES,
    st.sampled_from([*(each.chain for each in CERTIFICATES), b"no"]),
)
classes = st.builds(
    lambda name, ours, default: ingress_class(name, default=default) if ours else ingress_class(name, "x.test/other"),
    st.sampled_from(["envoy", "nginx"]),
    st.booleans(),
    st.booleans(),
)
objects = st.one_of(ingresses, ingresses, services, slices, secrets, authority_secrets, classes)

names: dict[type[KubeObject], tuple[str, ...]] = {
    Ingress: ("one", "two", "three"),
    Service: ("web", "api", "ghost"),
    EndpointSlice: ("s1", "s2"),
    Secret: ("cert-1", "cert-2", "ca"),
    IngressClass: ("envoy", "nginx"),
}
deletions = st.sampled_from(
    [
        Deleted(kind, Key("" if kind is IngressClass else ns, name))
        for kind, each in names.items()
        for name in each
        for ns in ("default", "team")
    ]
)
changes: st.SearchStrategy[Change] = st.one_of(objects.map(Applied), objects.map(Applied), deletions)

options = st.builds(
    TranslateOptions,
    allow_external_name=st.booleans(),
    default_tls_secret=st.sampled_from([None, key("cert-1"), key("nowhere")]),
    is_compatible=st.booleans(),
)
proxies = st.builds(ProxyOptions, redirect_https=st.booleans())


def left(steps: Iterable[Change]) -> list[KubeObject]:
    """The objects that exist after the changes."""
    final: dict[tuple[type[KubeObject], Key], KubeObject] = {}
    for step in steps:
        match step:
            case Applied(object=each):
                final[type(each), each.key] = each
            case Deleted(kind=kind, key=deleted):
                final.pop((kind, deleted), None)
    return list(final.values())


def outcome(of: Pipeline) -> dict[tuple[str, str], str]:
    return {
        (type_.short, name): each.version for type_ in ResourceType for name, each in of.store.resources(type_).items()
    }


def messages(of: Pipeline, type_: ResourceType) -> dict[str, dict[str, Any]]:
    """All resources of a type, parsed."""
    return {
        name: codec.to_dict(codec.decode(type_.message, each.body)) for name, each in of.store.resources(type_).items()
    }


def found(value: Any, field: str) -> Iterable[Any]:
    """All values of a field, however deep."""
    if isinstance(value, dict):
        for name, each in value.items():
            if name == field:
                yield each
            yield from found(each, field)
    elif isinstance(value, list):
        for each in value:
            yield from found(each, field)


def check(of: Pipeline, *, complete: bool = True) -> None:
    """Check the invariants of every snapshot. If not `complete`, resources may come before the rest of their change,
    and stay after their last use.
    """
    for type_ in ResourceType:
        for name, resource in of.store.resources(type_).items():
            assert not violations(codec.decode(type_.message, resource.body)), name
    kinds = {type_: messages(of, type_) for type_ in ResourceType}
    clusters, assignments = kinds[ResourceType.CLUSTER], kinds[ResourceType.ENDPOINTS]
    for each in kinds.values():
        for name, message in each.items():
            assert message.get("name", message.get("cluster_name")) == name
    check_endpoints(clusters, assignments, complete=complete)
    routed = set(found(kinds[ResourceType.VIRTUAL_HOST], "cluster"))
    routed |= {
        each["name"]
        for several in found(kinds[ResourceType.VIRTUAL_HOST], "weighted_clusters")
        for each in several["clusters"]
    }
    routed |= {inner for name in routed & set(clusters) for each in found(clusters[name], "clusters") for inner in each}
    assert routed <= set(clusters), "a cluster for each that a route names"
    assert routed == set(clusters) or not complete, "and nothing else"
    asked = set(found(kinds[ResourceType.LISTENER], "route_config_name"))
    assert asked == set(kinds[ResourceType.ROUTES])
    wanted = {each["name"] for found_ in found(kinds[ResourceType.LISTENER], _SDS) for each in found_}
    wanted |= {each["name"] for each in found(kinds[ResourceType.LISTENER], _VALIDATION_SDS)}
    assert wanted == set(kinds[ResourceType.SECRET])
    for name in kinds[ResourceType.ROUTES]:
        parts = of.store.virtual_hosts(name)
        check_routes({"virtual_hosts": [kinds[ResourceType.VIRTUAL_HOST][part] for part in parts]})
        check_inlined(of, name)
    for listener in kinds[ResourceType.LISTENER].values():
        check_chains(listener)


_SDS = "tls_certificate_sds_secret_configs"
_VALIDATION_SDS = "validation_context_sds_secret_config"


def check_endpoints(
    clusters: dict[str, dict[str, Any]], assignments: dict[str, dict[str, Any]], *, complete: bool
) -> None:
    eds = {name for name, cluster in clusters.items() if cluster.get("type") == "EDS"}
    assert eds <= set(assignments)
    assert eds == set(assignments) or not complete
    other = [cluster for cluster in clusters.values() if "cluster_type" not in cluster]
    assert {cluster.get("type") for cluster in other} <= {"EDS", "LOGICAL_DNS", "STRICT_DNS"}


def check_routes(configuration: dict[str, Any]) -> None:
    hosts = configuration.get("virtual_hosts", [])
    domains = [domain.lower() for host in hosts for domain in host["domains"]]
    assert len(set(domains)) == len(domains), "Envoy refuses a route configuration with a domain twice"
    names = [host["name"] for host in hosts]
    assert len(set(names)) == len(names)
    for prefix in found(configuration, "path_separated_prefix"):
        # The rule in route_components.proto.
        assert re.fullmatch(r"[^?#]+[^?#/]", prefix)
    for field in ("path", "prefix", "path_separated_prefix"):
        for text in found(configuration, field):
            assert text.isascii()
            assert text.startswith("/")


def check_inlined(of: Pipeline, name: str) -> None:
    """A proxy without VHDS gets the same virtual hosts inside of the RouteConfiguration."""
    hosts = of.store.virtual_hosts(name)
    configuration = of.store.resources(ResourceType.ROUTES)[name].body
    whole = codec.decode(RouteConfiguration, inlined(configuration, (hosts[each].body for each in sorted(hosts))))
    assert [codec.encode(each) for each in whole.virtual_hosts] == [hosts[each].body for each in sorted(hosts)]
    assert whole.name == name
    assert not codec.upb(whole).HasField("vhds")


def check_chains(listener: dict[str, Any]) -> None:
    chains = listener.get("filter_chains", [])
    server_names = [name for chain in chains for name in chain.get("filter_chain_match", {}).get("server_names", [])]
    assert len(set(server_names)) == len(server_names), "Envoy refuses two filter chains that match the same"


@FEW
@given(st.lists(ingresses, min_size=1, max_size=3), st.lists(objects, max_size=4), options, proxies)
def test_anything_api_valid_translates(
    some: list[Ingress], beside: list[KubeObject], translate: TranslateOptions, proxy: ProxyOptions
) -> None:
    check(pipeline(*some, *beside, translate=translate, proxy=proxy, claim_classless=True))


@FEW
@given(st.lists(changes, max_size=12), options, proxies)
def test_step_by_step_equals_fresh(steps: list[Change], translate: TranslateOptions, proxy: ProxyOptions) -> None:
    stepwise = pipeline(translate=translate, proxy=proxy, claim_classless=True)
    for step in steps:
        feed(stepwise, step)
    final = as_served(left(steps), held(stepwise))
    fresh = pipeline(*final, translate=translate, proxy=proxy, claim_classless=True)
    assert outcome(stepwise) == outcome(fresh)
    assert others(stepwise) == fresh.problems
    check(stepwise)


@FEW
@given(st.lists(objects, max_size=8, unique_by=lambda each: (each.kind, each.key)), st.data())
def test_the_order_of_arrival_does_not_matter(some: list[KubeObject], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(some))
    one, other = pipeline(*some, claim_classless=True), pipeline(*shuffled, claim_classless=True)
    assert outcome(one) == outcome(other)
    assert one.problems == other.problems


@FEW
@given(st.lists(changes, max_size=10), st.lists(st.integers(0, 9), max_size=3))
def test_batches_do_not_matter(steps: list[Change], cuts: list[int]) -> None:
    """A burst drained and translated once ends where its single steps end."""
    single, bursts = pipeline(claim_classless=True), pipeline(claim_classless=True)
    for step in steps:
        feed(single, step)
    bounds = [0, *sorted(cuts), len(steps)]
    for start, end in itertools.pairwise(bounds):
        feed(bursts, *steps[start:end])
    if held(single) == held(bursts):
        assert outcome(single) == outcome(bursts)
    fresh = pipeline(*as_served(left(steps), held(bursts)), claim_classless=True)
    assert outcome(bursts) == outcome(fresh)
    assert others(bursts) == fresh.problems


@FEW
@given(st.lists(objects, max_size=8))
def test_the_same_said_again_makes_no_revision(some: list[KubeObject]) -> None:
    built = pipeline(*some, claim_classless=True)
    last = {(type(each), each.key): each for each in some}
    feed(built, *(Applied(each) for each in last.values()), *(Listed(kind) for kind in KINDS))
    assert built.store.revision == 1
