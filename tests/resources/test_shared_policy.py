"""The part of the routes' policies that their virtual host holds.

Excludes: what the fields of either place do (tests/e2e/test_timeouts_and_retries.py, tests/e2e/test_bodies.py).
"""

from tests.support.objects import World, ingress, path, rule, service
from tests.support.route_table_annotations import annotated
from xds.kube.objects import Ingress
from xds.resources.domains import Domain
from xds.resources.shared_policy import shared_policy, without
from xds.traffic.bodies import Bodies
from xds.traffic.policy import NO_POLICY, Policy

HOST = "a.example.com"
MIB = 1024 * 1024


def shared(*ingresses: Ingress, compatible: bool = True) -> Policy:
    traffic = World(service("web"), *ingresses, is_compatible=compatible).traffic
    answers = traffic.hosts[HOST]
    return shared_policy(Domain(HOST, answers, answers, traffic.default))


def shop(name: str = "shop", **annotations: str) -> Ingress:
    return ingress(name, rule(HOST, path(f"/{name}"), path(f"/{name}/x")), annotations=annotated(**annotations))


def test_equal_retries_and_bounds_are_shared() -> None:
    found = shared(shop(), shop("hashed", upstream_hash_by="$host"))
    assert found.bodies == Bodies(MIB)
    assert found.retries
    assert not found.hash_keys


def test_policies_that_differ_in_retries_or_bounds_share_nothing() -> None:
    assert shared(shop(), shop("large", proxy_body_size="8m")) is NO_POLICY
    assert shared(shop(), shop("once", proxy_next_upstream="off")) is NO_POLICY
    assert shared(shop(), shop("large", proxy_body_size="8m"), compatible=False) is NO_POLICY


def test_routes_without_backend_have_no_say() -> None:
    moved = shop("moved", permanent_redirect="https://new.example.com", proxy_body_size="8m")
    assert shared(shop(), moved).bodies == Bodies(MIB)


def test_a_route_keeps_the_rest_of_its_policy() -> None:
    policy = Policy(bodies=Bodies(MIB), connection="close")
    assert without(policy, Policy(bodies=Bodies(MIB))) == Policy(connection="close")
    assert without(Policy(bodies=Bodies(MIB)), Policy(bodies=Bodies(MIB))) is NO_POLICY
    assert without(policy, Policy(bodies=Bodies(1))) is policy
    assert without(policy, NO_POLICY) is policy
