"""Virtual hosts of a rejected RouteConfiguration that is withdrawn and returns.

Two delta proxies subscribe to two RouteConfigurations and, like Envoy, to virtual hosts without names. Excludes the
choice of last good versions (rejection/test_last_good.py).
"""

import pytest

from tests.support.xds_client_model import Client, World
from xds.snapshot.resource import ResourceType

RDS, VHDS = ResourceType.ROUTES, ResourceType.VIRTUAL_HOST


@pytest.fixture
def world() -> World:
    return World(rds={"r0": "0"}, vhds={"r0/a": "a"})


def proxy(world: World) -> Client:
    client = world.delta()
    client.subscribe(RDS, "r0", "r1")
    client.subscribe(VHDS)
    client.settle()
    return client


def scope(client: Client) -> set[str]:
    subscription = client.session.subscription(VHDS)
    assert subscription
    return set(subscription.scope or ())


@pytest.mark.parametrize("waiting", [True, False])
def test_a_proxy_with_a_withdrawn_route_gets_virtual_hosts_after_the_return(world: World, *, waiting: bool) -> None:
    """Whether or not virtual hosts waited behind the response that the other proxy rejected."""
    takes, rejects = proxy(world), proxy(world)
    world.commit(rds={"r1": "1"}, vhds={"r1/a": "old"})
    if waiting:
        world.commit(vhds={"r1/a": "waits"})
    rejects.nack(RDS)
    takes.settle()
    assert scope(takes) == {"r0", "r1"}
    world.commit(vhds={"r1/a": "new"})
    takes.settle()
    assert takes.held[VHDS]["r1/a"].body == b"new"


def test_a_proxy_without_a_withdrawn_route_gets_no_virtual_hosts(world: World) -> None:
    """Otherwise the proxy would drop and acknowledge the virtual hosts, and the fleet would count an acceptance."""
    rejects = proxy(world)
    world.commit(rds={"r1": "bad"}, vhds={"r1/a": "a"})
    rejects.nack(RDS)
    rejects.settle()
    assert scope(rejects) == {"r0"}
    world.commit(vhds={"r1/a": "changed"})
    world.commit(rds={"r1": None})
    world.commit(vhds={"r1/b": "b"})
    rejects.settle()
    assert world.last_good.is_untried(VHDS, "r1/b")
