"""The resources of hosts that Ingress and the Gateway API share: those of a change equal those of a fresh start."""

import pytest

from tests.support.objects import feed, pipeline
from tests.support.shared_site import OBJECTS, OPTIONS, SERVICES
from xds.controlplane.pipeline import Pipeline
from xds.kube.change import Applied, Deleted
from xds.kube.objects import KubeObject
from xds.resources.options import ProxyOptions
from xds.snapshot.resource import ResourceType


def fresh(*objects: KubeObject, redirect_https: bool = False) -> Pipeline:
    return pipeline(*SERVICES, *objects, translate=OPTIONS, proxy=ProxyOptions(redirect_https=redirect_https))


def resources(of: Pipeline) -> dict[tuple[ResourceType, str], bytes]:
    return {(type_, name): each.body for type_ in ResourceType for name, each in of.store.resources(type_).items()}


@pytest.mark.parametrize("redirect_https", [False, True])
def test_an_object_that_leaves_and_comes_back_builds_what_a_fresh_start_builds(*, redirect_https: bool) -> None:
    every, kept = (
        resources(fresh(*OBJECTS, redirect_https=redirect_https)),
        fresh(*OBJECTS, redirect_https=redirect_https),
    )
    for each in OBJECTS:
        others = [other for other in OBJECTS if other is not each]
        feed(kept, Deleted(type(each), each.key))
        assert resources(kept) == resources(fresh(*others, redirect_https=redirect_https)), each.ref
        feed(kept, Applied(each))
        assert resources(kept) == every, each.ref


def test_objects_may_come_in_any_order() -> None:
    every = resources(fresh(*OBJECTS))
    for order in (OBJECTS[::-1], OBJECTS[5:] + OBJECTS[:5]):
        one_by_one = fresh()
        for each in order:
            feed(one_by_one, Applied(each))
        assert resources(one_by_one) == every
