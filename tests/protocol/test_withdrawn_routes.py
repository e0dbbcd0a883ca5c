"""Virtual hosts of a RouteConfiguration that some proxies refuse: it is withdrawn, and comes back.

Two delta proxies that ask for two RouteConfigurations and, as Envoy does, for virtual hosts without names. Excludes
verdicts themselves (test_verdicts.py).
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
def test_who_took_it_is_told_of_its_virtual_hosts_when_it_is_back(world: World, *, waiting: bool) -> None:
    """Whether or not some waited behind the response that the other refused."""
    takes, refuses = proxy(world), proxy(world)
    world.commit(rds={"r1": "1"}, vhds={"r1/a": "old"})
    if waiting:
        world.commit(vhds={"r1/a": "waits"})
    refuses.nack(RDS)
    takes.settle()
    assert scope(takes) == {"r0", "r1"}
    world.commit(vhds={"r1/a": "new"})
    takes.settle()
    assert takes.held[VHDS]["r1/a"].body == b"new"


def test_who_never_had_it_is_not_told_of_its_virtual_hosts(world: World) -> None:
    """Else it would drop them and acknowledge that, and the fleet would take them for accepted."""
    refuses = proxy(world)
    world.commit(rds={"r1": "bad"}, vhds={"r1/a": "a"})
    refuses.nack(RDS)
    refuses.settle()
    assert scope(refuses) == {"r0"}
    world.commit(vhds={"r1/a": "changed"})
    world.commit(rds={"r1": None})
    world.commit(vhds={"r1/b": "b"})
    refuses.settle()
    assert world.fleet.last_good.is_untried(VHDS, "r1/b")
