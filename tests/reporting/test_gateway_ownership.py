"""Entries of several installations under one controller name.

Excludes: entries of other controllers (test_gateway_status.py).
"""

from typing import Any

import pytest

from tests.support.gateway_objects import gateway_object
from tests.support.gateway_world import gateway_class
from xds.kube.change import Applied
from xds.kube.gateway_objects import Gateway, ListenerSet, ParentReference
from xds.kube.state import KubeState
from xds.problems.problem import Key
from xds.reporting.gateway_ownership import Ownership
from xds.translate.gateway.options import GatewayOptions

WEB = Key("shop", "web")


def state() -> KubeState:
    """Gateways `ours`, `theirs` and `foreign` of classes of the same names, and a ListenerSet of each."""
    made = KubeState()
    for name in ("ours", "theirs", "foreign"):
        controller = {"controller": "example.com/other"} if name == "foreign" else {}
        parent = {"name": name}
        for each in (
            gateway_class(name, **controller),
            gateway_object(Gateway, name, "shop", gatewayClassName=name),
            gateway_object(ListenerSet, f"set-{name}", "shop", parentRef=parent),
        ):
            made.apply(Applied(each))
    return made


def ref(name: str, **fields: Any) -> ParentReference:
    return ParentReference(name, **fields)


@pytest.mark.parametrize(
    ("parent", "is_ours"),
    [
        (ref("ours"), True),
        (ref("theirs"), False),
        (ref("foreign"), True),  # left from the time when the class was ours
        (ref("gone"), True),
        (ref("ours", namespace="shop"), True),
        (ref("set-ours", kind="ListenerSet"), True),
        (ref("set-theirs", kind="ListenerSet"), False),
        (ref("set-gone", kind="ListenerSet"), True),
        (ref("web", group="", kind="Service"), False),
    ],
)
def test_an_entry_for_a_gateway_of_another_class_is_not_ours(parent: ParentReference, *, is_ours: bool) -> None:
    ownership = Ownership(state(), GatewayOptions(gateway_class="ours"), frozenset())
    assert ownership.is_ours(WEB, parent) == is_ours


def test_each_entry_is_ours_without_a_class_of_our_own() -> None:
    assert Ownership(state(), GatewayOptions(), frozenset()).is_ours(WEB, ref("theirs"))


def test_an_entry_for_a_gateway_that_is_not_watched_is_not_ours() -> None:
    ownership = Ownership(state(), GatewayOptions(), frozenset({"shop"}))
    assert ownership.is_ours(WEB, ref("gone"))
    assert not ownership.is_ours(WEB, ref("edge", namespace="infra"))
    assert not ownership.is_ours(WEB, ref("set", namespace="infra", kind="ListenerSet"))
