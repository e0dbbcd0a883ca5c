"""Views as functions of messages."""

import json
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from markupsafe import Markup

from tests.ui.stand_in import status
from xds.api.v1 import debug_pb2 as pb
from xds.cli.delivery import _STATE_TEXTS
from xds.cli.proxies import _state
from xds.server.debug.brief import MAX_OTHER_PATHS, OTHER_PATH, shown_routes
from xds.ui import text, words
from xds.ui.page import list_page
from xds.ui.pages.explain import outcome
from xds.ui.pages.ingress import explain_link
from xds.ui.pages.overview import bar, headline
from xds.ui.pages.revisions import MAX_FIELDS, MAX_VALUE_CHARACTERS, compared, differences


@pytest.mark.parametrize(
    ("changes", "mark", "sentence"),
    [
        ({}, "ok", "All 2 Ingresses are served by 1 proxy."),
        ({"ingresses": pb.IngressCounts(not_served=1)}, "bad", "1 of 3 Ingresses is not served as written."),
        ({"ingresses": pb.IngressCounts(partly_accepted=3)}, "bad", "3 of 5 Ingresses are not served as written."),
        ({"gateways": pb.GatewayCounts(accepted=1)}, "ok", "2 Ingresses and 1 Gateway are served by 1 proxy."),
        (
            {"gateways": pb.GatewayCounts(accepted=1, partly_accepted=1)},
            "bad",
            "1 of 2 Gateways is not served as written.",
        ),
        (
            {"gateways": pb.GatewayCounts(accepted=1, routes=3, faulty_routes=2)},
            "bad",
            "2 of 3 routes of Gateways are not served as written.",
        ),
        ({"proxies": pb.ProxyCounts(connected=3)}, "wait", "2 of 3 proxies not in sync."),
    ],
)
def test_the_headline_is_the_worst_that_holds(changes: dict[str, Any], mark: str, sentence: str) -> None:
    assert headline(status(**changes)) == (mark, sentence)


def test_the_headline_of_an_outage_and_of_a_start() -> None:
    away = status()
    away.source.current = False
    assert headline(away).mark == "bad"
    away.ClearField("snapshot")
    assert headline(away).mark == "wait"
    lonely = status()
    lonely.ClearField("proxies")
    assert headline(lonely).word == "Ready, and no proxy is connected."


def test_the_bar_fills_the_whole() -> None:
    parts = bar(pb.IngressCounts(accepted=1, partly_accepted=1, not_served=1))
    assert [mark for mark, _, _ in parts] == ["ok", "warn", "bad"]
    assert round(sum(width for _, _, width in parts)) == 100
    assert bar(pb.IngressCounts()) == []


def test_each_state_has_a_word() -> None:
    for states, values in (
        (words.ACCEPTANCES, pb.Acceptance.values()),
        (words.UNITS, pb.UnitStatus.values()),
        (words.ANNOTATIONS, pb.AnnotationStatus.values()),
        (words.DELIVERIES, pb.DeliveryState.values()),
        (words.LEVELS, pb.Level.values()),
        (words.CONNECTIONS, pb.Connection.values()),
        (words.VARIANTS, pb.Variant.values()),
    ):
        assert set(states) == set(values) - {0}


def test_the_page_and_the_command_line_use_the_same_words() -> None:
    assert {state: each.word for state, each in words.DELIVERIES.items()} == _STATE_TEXTS
    for type_ in (
        pb.ProxyType(rejected_resources=1),
        pb.ProxyType(on_trial_resources=1),
        pb.ProxyType(in_sync=True),
        pb.ProxyType(),
    ):
        assert words.delivery(type_).word == _state(type_).plain


@pytest.mark.parametrize(
    ("value", "seen"),
    [
        ("plain ü 日本", "plain ü 日本"),
        ("a\nb", r"a\nb"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("a\u200bb\x1b[2J", r"a\u200bb\x1b[2J"),
        (Markup("<b>"), Markup("<b>")),
        (7, 7),
    ],
)
def test_signs_without_a_shape_are_shown(value: Any, seen: Any) -> None:
    assert text.visible(value) == seen


@pytest.mark.parametrize(
    ("seconds", "words_"),
    [(0, "0 s ago"), (119, "119 s ago"), (121, "2 min ago"), (7200, "2 h ago"), (-86400 * 3, "in 3 d")],
)
def test_times_are_relative_too(seconds: int, words_: str) -> None:
    assert text.relative(Timestamp(seconds=1_000_000), 1_000_000 + seconds) == words_


@pytest.mark.parametrize("seconds", [-62_135_596_800, 253_402_300_799, 1 << 62])
def test_any_time_can_be_shown(seconds: int) -> None:
    assert len(text.clock(Timestamp(seconds=seconds))) == len("2026-01-01 00:00:00")


@pytest.mark.parametrize(
    ("unit", "link"),
    [
        ("TLS passthrough of db.test", "/explain?url=tls%3A%2F%2Fdb.test"),
        ("TLS passthrough of *.db.test", ""),
        ("shop.test, Prefix /cart", "/explain?url=http%3A%2F%2Fshop.test%2Fcart"),
        ("safe.test, Exact /", "/explain?url=https%3A%2F%2Fsafe.test%2F"),
        ("*.test, Prefix /", ""),
        ("HTTPS of safe.test", ""),
        ("the default backend", ""),
    ],
)
def test_a_path_links_its_explanation(unit: str, link: str) -> None:
    assert explain_link(unit, {"safe.test"}) == link


@pytest.mark.parametrize(
    ("status_", "text_", "words_"),
    [
        (404, "404: no route", "no route"),
        (308, "308, to https://a/", "to https://a/"),
        (200, "a/b/80 answers", "a/b/80 answers"),
    ],
)
def test_an_answer_has_its_status_once(status_: int, text_: str, words_: str) -> None:
    assert outcome(pb.ExplainResponse(status=status_, outcome=text_)) == words_


def test_routes_with_another_path_are_bounded() -> None:
    tried = [pb.TriedRoute(why=OTHER_PATH)] * (MAX_OTHER_PATHS + 5) + [pb.TriedRoute(taken=True)]
    kept, more = shown_routes(tried)
    assert (len(kept), more) == (MAX_OTHER_PATHS + 1, 5)
    assert kept[-1].taken


@pytest.mark.parametrize(
    ("number", "total", "found"), [(1, 0, (1, 1, 0)), (3, 101, (3, 3, 100)), (9, 101, (3, 3, 100)), (1, 50, (1, 1, 0))]
)
def test_a_part_lies_within_the_list(number: int, total: int, found: tuple[int, int, int]) -> None:
    shown = list_page(number, total, 50)
    assert (shown.number, shown.pages, shown.start) == found


@pytest.mark.parametrize(
    ("old", "new", "fields"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": 1}, {"a": 2, "b": [1]}, [("a", "1", "2"), ("b", None, "[1]")]),
        ({"a": {"b": "x"}}, {"a": {}}, [("a.b", "x", None)]),
        ({"a": [1, 2, 3]}, {"a": [1, 9, 2, 3]}, [("a[1]", None, "9")]),
        ({"a": [1, {"b": 2}, 3]}, {"a": [1, {"b": 4}, 3]}, [("a[1].b", "2", "4")]),
        ({"a": [1, 2]}, {"a": [1]}, [("a[1]", "2", None)]),
        ({"a": [1]}, {"a": {"b": 1}}, [("a", "[1]", '{"b": 1}')]),
    ],
)
def test_a_difference_is_field_by_field(old: Any, new: Any, fields: list[tuple[str, str | None, str | None]]) -> None:
    assert [tuple(each) for each in differences(old, new)] == fields


def test_a_difference_is_bounded() -> None:
    def change(old: Any, new: Any) -> pb.ResourceChange:
        return pb.ResourceChange(old=pb.Resource(json=json.dumps(old)), new=pb.Resource(json=json.dumps(new)))

    many = compared(change({}, {str(number): number for number in range(1000)}))
    assert (len(many.fields), many.more) == (MAX_FIELDS, 1000 - MAX_FIELDS)
    (long,) = compared(change({"a": "x"}, {"a": "y" * 10_000})).fields
    assert long.new is not None
    assert len(long.new) == MAX_VALUE_CHARACTERS + 1
    old: Any = 1
    new: Any = 2
    for _ in range(200):
        old, new = {"a": old}, {"a": new}
    assert len(compared(change(old, new)).fields) == 1
