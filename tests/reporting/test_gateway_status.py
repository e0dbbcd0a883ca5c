"""Statuses of the Gateway API as patches, and rejections in conditions.

Covers: each kind's fields, times of conditions, foreign conditions and entries, generations, limits, removal.
Excludes: when a status is written (test_gateway_status_writer.py), a real API server (tests/cluster).
"""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fake_api import merge
from xds.kube.gateway_objects import GatewayAddress, ParentReference, RouteGroupKind
from xds.problems.field_path import WHOLE_OBJECT, FieldPath
from xds.problems.problem import ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.protocol.rejection.reports import RejectionReport
from xds.reporting.gateway_status import MAX_PARENTS, OWN_CONDITIONS, status_patch
from xds.reporting.rejected_status import Rejection, rejections, with_rejections
from xds.snapshot.resource import Resource, ResourceType
from xds.translate.gateway.options import CONTROLLER
from xds.translate.gateway.status import (
    ClassStatus,
    Condition,
    GatewayStatus,
    ListenerSetStatus,
    ListenerStatus,
    ParentStatus,
    PolicyStatus,
    RouteStatus,
    WantedStatus,
)

NOW, BEFORE = "2026-11-30T08:00:00Z", "2026-11-30T07:00:00Z"
ACCEPTED, REFUSED = Condition.true("Accepted"), Condition.false("Accepted", "Invalid", "The port is taken.")
PROGRAMMED = Condition.true("Programmed")
FOREIGN = {"type": "example.com/Up", "status": "True", "reason": "Up", "lastTransitionTime": BEFORE}
EDGE, WEB = ObjectRef("Gateway", "shop", "edge"), ObjectRef("HTTPRoute", "shop", "web")


def stored(condition: Condition, *, at: str = BEFORE, generation: int = 1) -> dict[str, Any]:
    return {
        "type": condition.type,
        "status": {True: "True", False: "False", None: "Unknown"}[condition.status],
        "observedGeneration": generation,
        "lastTransitionTime": at,
        "reason": condition.reason,
        "message": condition.message,
    }


def existing(status: object = None, generation: int = 1) -> dict[str, Any]:
    return {"metadata": {"uid": "u", "resourceVersion": "7", "generation": generation}, "status": status}


def written(status: dict[str, Any], wanted: WantedStatus | None, generation: int = 1) -> dict[str, Any]:
    """The status after the write. A second write would have nothing to do."""
    found = existing(status, generation)
    patch = status_patch(found, wanted, NOW) or {}
    merged = merge(found, patch)
    assert status_patch(merged, wanted, "later") is None
    after: dict[str, Any] = merged["status"]
    return after


def entry(parent: ParentReference, *conditions: dict[str, Any], controller: str = CONTROLLER) -> dict[str, Any]:
    names = {"group": parent.group, "kind": parent.kind, "name": parent.name}
    names |= {"sectionName": parent.section_name} if parent.section_name else {}
    return {"parentRef": names, "controllerName": controller, "conditions": [*conditions]}


def test_a_class_gets_conditions_and_features() -> None:
    wanted = ClassStatus(1, (ACCEPTED,), ("HTTPRoute", "Gateway"))
    assert written({}, wanted) == {
        "conditions": [stored(ACCEPTED, at=NOW)],
        "supportedFeatures": [{"name": "Gateway"}, {"name": "HTTPRoute"}],
    }


def test_a_gateway_gets_listeners_and_addresses() -> None:
    listener = ListenerStatus("http", (RouteGroupKind("HTTPRoute"),), 3, (ACCEPTED,))
    wanted = GatewayStatus(1, (ACCEPTED,), (listener,), (GatewayAddress("192.0.2.1"),), 1)
    assert written({}, wanted) == {
        "conditions": [stored(ACCEPTED, at=NOW)],
        "listeners": [
            {
                "name": "http",
                "supportedKinds": [{"group": "gateway.networking.k8s.io", "kind": "HTTPRoute"}],
                "attachedRoutes": 3,
                "conditions": [stored(ACCEPTED, at=NOW)],
            }
        ],
        "addresses": [{"type": "IPAddress", "value": "192.0.2.1"}],
        "attachedListenerSets": 1,
    }
    assert written(written({}, wanted), GatewayStatus(1, (ACCEPTED,), ()))["addresses"] == []


def test_a_patch_is_bound_to_the_version_that_was_read_and_has_only_what_differs() -> None:
    wanted = ListenerSetStatus(1, (ACCEPTED,), (ListenerStatus("http", (), 1, (ACCEPTED,)),))
    found = existing({"conditions": [stored(ACCEPTED)]})
    patch = status_patch(found, wanted, NOW)
    assert patch is not None
    assert patch["metadata"] == {"resourceVersion": "7"}
    assert [*patch["status"]] == ["listeners"]


def test_a_condition_keeps_its_time_until_its_status_turns() -> None:
    before = {"conditions": [stored(ACCEPTED)]}
    [same] = written(before, ClassStatus(2, (Condition.true("Accepted", "Other"),)), 2)["conditions"]
    assert (same["lastTransitionTime"], same["observedGeneration"], same["reason"]) == (BEFORE, 2, "Other")
    [turned] = written(before, ClassStatus(1, (REFUSED,)))["conditions"]
    assert turned == stored(REFUSED, at=NOW)


def test_foreign_conditions_stay_and_own_ones_that_are_not_wanted_go() -> None:
    overlap = stored(Condition.true("OverlappingTLSConfig"))
    before = {"conditions": [overlap, stored(ACCEPTED), FOREIGN]}
    after = written(before, GatewayStatus(1, (PROGRAMMED, ACCEPTED), ()))
    assert after["conditions"] == [stored(ACCEPTED), FOREIGN, stored(PROGRAMMED, at=NOW)]


def test_foreign_conditions_of_listeners_and_entries_stay() -> None:
    listeners = {"listeners": [{"name": "http", "conditions": [FOREIGN]}, {"name": "gone", "conditions": [FOREIGN]}]}
    after = written(listeners, GatewayStatus(1, (), (ListenerStatus("http", (), 0, (ACCEPTED,)),)))
    assert [each["conditions"] for each in after["listeners"]] == [[FOREIGN, stored(ACCEPTED, at=NOW)]]
    parent = ParentReference("edge")
    before = {"parents": [entry(parent, FOREIGN)]}
    after = written(before, RouteStatus(1, (ParentStatus(parent, (ACCEPTED,)),)))
    assert after["parents"] == [entry(parent, FOREIGN, stored(ACCEPTED, at=NOW))]


def test_entries_of_other_controllers_stay_in_their_place() -> None:
    edge, section = ParentReference("edge"), ParentReference("edge", section_name="http")
    other = entry(edge, FOREIGN, controller="example.com/other")
    gone = entry(ParentReference("gone"), stored(ACCEPTED))
    wanted = RouteStatus(1, (ParentStatus(edge, (ACCEPTED,)), ParentStatus(section, (ACCEPTED,))))
    after = written({"parents": [gone, other, entry(edge, stored(ACCEPTED))]}, wanted)
    expected = [other, entry(edge, stored(ACCEPTED)), entry(section, stored(ACCEPTED, at=NOW))]
    assert after["parents"] == expected
    assert written(after, None)["parents"] == [other]


def test_an_entry_of_another_installation_stays() -> None:
    theirs = entry(ParentReference("theirs"), stored(ACCEPTED))
    found = existing({"parents": [theirs, entry(ParentReference("ours"), stored(ACCEPTED))]})
    patch = status_patch(found, None, NOW, lambda parent: parent.name == "ours")
    assert patch is not None
    assert patch["status"] == {"parents": [theirs]}


def test_a_policy_gets_ancestors() -> None:
    after = written({}, PolicyStatus(1, (ParentStatus(ParentReference("edge", namespace="shop"), (ACCEPTED,)),)))
    [ancestor] = after["ancestors"]
    assert ancestor["ancestorRef"]["namespace"] == "shop"
    assert ancestor["controllerName"] == CONTROLLER


def test_entries_beyond_the_limit_are_left_out() -> None:
    parents = tuple(ParentStatus(ParentReference(f"edge-{index}"), (ACCEPTED,)) for index in range(MAX_PARENTS))
    other = entry(ParentReference("other"), FOREIGN, controller="example.com/other")
    after = written({"parents": [other]}, RouteStatus(1, parents))
    assert len(after["parents"]) == MAX_PARENTS
    assert after["parents"][0] == other


@pytest.mark.parametrize(
    ("translated", "observed", "newest", "is_written"),
    [
        (1, 1, 1, True),
        (1, 0, 2, True),  # an edit since the translation
        (1, 2, 2, False),  # another replica has translated the edit
        (2, 0, 1, False),  # created again since the translation
        (1, 5, 1, True),  # left from an object of the same name
    ],
)
def test_a_condition_of_a_newer_generation_stays(
    translated: int, observed: int, newest: int, *, is_written: bool
) -> None:
    found = existing({"conditions": [stored(ACCEPTED, generation=observed)]}, newest)
    assert (status_patch(found, ClassStatus(translated, (REFUSED,)), NOW) is not None) == is_written


conditions = st.lists(
    st.builds(
        Condition, st.sampled_from([*sorted(OWN_CONDITIONS)]), st.sampled_from([True, False, None]), st.just("Reason")
    ),
    unique_by=lambda each: each.type,
).map(tuple)
parents = st.lists(
    st.builds(
        ParentReference,
        st.sampled_from("ab"),
        namespace=st.sampled_from(["", "shop"]),
        section_name=st.sampled_from(["", "http"]),
        port=st.sampled_from([None, 80]),
    ),
    unique=True,
)


@given(st.lists(st.tuples(parents, conditions), min_size=1))
def test_any_sequence_of_writes_ends_as_a_write_to_an_empty_status(steps: list[Any]) -> None:
    status: dict[str, Any] = {}
    wanted = RouteStatus(1, ())
    for refs, found in steps:
        wanted = RouteStatus(1, tuple(ParentStatus(each, found) for each in refs))
        status = written(status, wanted)
    assert _facts(status) == _facts(written({}, wanted))


def _facts(status: dict[str, Any]) -> list[str]:
    """The entries without order and times."""
    entries = status.get("parents") or ()
    return sorted(
        f"{each['parentRef']} {sorted((found['type'], found['status']) for found in each['conditions'])}"
        for each in entries
    )


# Rejections


def report(*, on_trial: bool = True, proxies: int = 1, of_proxies: int = 0) -> RejectionReport:
    resource = Resource(ResourceType.LISTENER, "tcp/192.0.2.1:80", b"", "1")
    return RejectionReport(resource, "bad", proxies, ("1.36",), on_trial, None, of_proxies)


def problem(about: ObjectRef, field: FieldPath = WHOLE_OBJECT) -> Problem:
    return Problem(about, Reason.REJECTED_BY_PROXY, "the proxy says bad", "Undo it.", field)


def test_a_rejection_counts_while_no_proxy_of_a_build_has_accepted() -> None:
    field = FieldPath.of("spec", "listeners", 1, "port")
    expected = {EDGE: (Rejection("the proxy says bad. Undo it.", "Invalid", 1),)}
    assert rejections({report(): [problem(EDGE, field)]}) == expected
    assert rejections({report(on_trial=False): [problem(EDGE)]}) == {}


def test_an_address_that_no_proxy_can_bind_is_not_usable() -> None:
    found = {report(on_trial=False, proxies=2, of_proxies=2): [problem(EDGE)]}
    assert [each.reason for each in rejections(found)[EDGE]] == ["AddressNotUsable"]
    assert rejections({report(on_trial=False, proxies=1, of_proxies=2): [problem(EDGE)]}) == {}


def test_rejected_listeners_and_their_gateway_are_not_programmed() -> None:
    listeners = tuple(ListenerStatus(name, (), 0, (ACCEPTED, PROGRAMMED)) for name in ("http", "https"))
    status = GatewayStatus(1, (ACCEPTED, PROGRAMMED), listeners)
    rejected = with_rejections(status, (Rejection("No.", "AddressNotUsable", 1),))
    assert isinstance(rejected, GatewayStatus)
    assert rejected.conditions == (ACCEPTED, Condition.false("Programmed", "AddressNotUsable", "No."))
    assert rejected.listeners[0] == listeners[0]
    assert rejected.listeners[1].conditions == (ACCEPTED, Condition.false("Programmed", "Invalid", "No."))


def test_a_rejection_does_not_hide_an_earlier_cause() -> None:
    pending = Condition.false("Programmed", "AddressNotAssigned", "No address is left.")
    status = GatewayStatus(1, (ACCEPTED, pending), ())
    assert with_rejections(status, (Rejection("No."),)) == status


def test_a_rejected_route_is_not_programmed() -> None:
    status = RouteStatus(1, (ParentStatus(ParentReference("edge"), (ACCEPTED,)),))
    rejected = with_rejections(status, (Rejection("No."), Rejection("Never.")))
    assert isinstance(rejected, RouteStatus)
    assert rejected.parents[0].conditions == (ACCEPTED, Condition.false("Programmed", "Invalid", "No. Never."))
