"""Events of Problems and their recovery.

Covers: one Event for one thing to say of one object, recovery, limits, what a new holder says and doesn't; and the
writer against a mock of the API server.
Excludes: where Problems come from; what a real API server and kubectl make of it (tests/cluster/test_report.py).
"""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from math import inf
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.fake_api import FakeApi, Object, unavailable
from xds.problems.field_path import FieldPath
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.reporting.event_queue import (
    BURST,
    INTERVAL,
    KEEP,
    MAX_PENDING,
    OBJECT_BURST,
    OBJECT_INTERVAL,
    REMIND,
    EventQueue,
    Existing,
    PendingEvent,
    again,
    manifest,
    topic_of,
)
from xds.reporting.event_writer import EventWriter
from xds.reporting.lease import Leadership

SPEC = FieldPath.of("spec")
RULES = SPEC.child("rules")
AT = "2026-06-01T12:00:00.000000Z"


def ingress(name: str) -> ObjectRef:
    return ObjectRef("Ingress", "shop", name)


def problem(name: str = "web", message: str = "Service 'shop/api' doesn't exist", where: FieldPath = SPEC) -> Problem:
    return Problem(ingress(name), Reason.BACKEND_NOT_FOUND, message, "Create it.", where)


def uid_of(about: ObjectRef) -> str | None:
    return None if about.name == "missing" else f"uid-{about.name}"


def said(desk: EventQueue, now: float = 0) -> list[PendingEvent]:
    found = []
    while saying := desk.next(now):
        found.append(saying)
    return found


def shown(desk: EventQueue, now: float = 0) -> list[tuple[str, bool]]:
    return [(each.topic.object.name, each.solved) for each in said(desk, now)]


def test_an_event_says_what_is_wrong_and_what_to_do() -> None:
    event = manifest(PendingEvent(topic_of(problem(), "u"), solved=False), "me", AT)
    name = event["metadata"]["name"]
    assert name.startswith("web.")
    assert event == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {"name": name, "namespace": "shop"},
        "eventTime": AT,
        "type": "Warning",
        "reason": "BackendNotFound",
        "note": "Service 'shop/api' doesn't exist. Create it.",
        "action": "Translate",
        "regarding": {
            "kind": "Ingress",
            "apiVersion": "networking.k8s.io/v1",
            "name": "web",
            "namespace": "shop",
            "uid": "u",
        },
        "reportingController": "xds-ingress.dev/controller",
        "reportingInstance": "me",
    }


def test_a_recovery_names_what_it_was() -> None:
    event = manifest(PendingEvent(topic_of(problem(), "u"), solved=True), "me", AT)
    assert (event["type"], event["reason"]) == ("Normal", "Resolved")
    assert event["note"].startswith("BackendNotFound is solved. It was: Service 'shop/api' doesn't exist.")
    assert event["metadata"]["name"].endswith(".solved")


@given(st.text(max_size=2000), st.text(max_size=300))
def test_names_and_notes_keep_to_the_limits(message: str, remedy: str) -> None:
    about = ObjectRef("Ingress", "shop", "a" * 253)
    topic = topic_of(Problem(about, Reason.PATH_CONFLICT, message, remedy), "u")
    for solved in (False, True):
        event = manifest(PendingEvent(topic, solved), "me" * 100, AT)
        assert len(event["note"].encode()) <= 1024
        assert len(event["metadata"]["name"]) <= 253
        assert len(event["reportingInstance"]) <= 128


def test_events_of_objects_without_namespace_are_in_default() -> None:
    about = Problem(ObjectRef("IngressClass", "", "envoy"), Reason.INVALID_OBJECT, "no", "yes")
    event = manifest(PendingEvent(topic_of(about, "u"), solved=False), "me", AT)
    assert event["metadata"]["namespace"] == "default"
    assert "namespace" not in event["regarding"]


def test_a_repetition_counts() -> None:
    assert again({}, AT) == {"series": {"count": 2, "lastObservedTime": AT}}
    assert again({"series": {"count": 2}}, AT)["series"]["count"] == 3


def test_the_name_follows_from_what_is_said_of_which_object() -> None:
    name = topic_of(problem(), "u").name
    assert name == topic_of(replace(problem(), field=FieldPath.of("elsewhere"), remedy="Another."), "u").name
    others = [
        topic_of(problem(), "recreated"),
        topic_of(problem(message="other"), "u"),
        topic_of(replace(problem(), reason=Reason.PATH_CONFLICT), "u"),
    ]
    assert name not in [each.name for each in others]


def test_the_same_twice_in_an_object_is_said_once_and_solved_with_the_last() -> None:
    desk = EventQueue(uid_of)
    a, b = problem(where=RULES.child(0)), problem(where=RULES.child(1))
    desk.take([a, b], [])
    assert shown(desk) == [("web", False)]
    desk.take([], [a])
    assert shown(desk) == []
    desk.take([replace(a, field=RULES.child(2))], [b])  # a rule was moved
    assert shown(desk) == []
    desk.take([], [replace(a, field=RULES.child(2))])
    assert shown(desk) == [("web", True)]


def test_what_came_and_went_unsaid_leaves_nothing() -> None:
    desk = EventQueue(uid_of)
    desk.take([problem()], [])
    desk.take([], [problem()])
    assert (shown(desk), len(desk), desk.due()) == ([], 0, inf)


def test_nothing_is_said_of_what_does_not_exist() -> None:
    desk = EventQueue(uid_of)
    desk.take([problem("missing"), Problem(ObjectRef("File", "", "missing"), Reason.MALFORMED_FILE, "", "")], [])
    assert said(desk) == []


def test_the_end_of_the_object_is_no_recovery() -> None:
    alive = {"web": "u"}
    desk = EventQueue(lambda about: alive.get(about.name))
    desk.take([problem()], [])
    said(desk)
    alive.clear()
    desk.take([], [problem()])
    assert said(desk) == []


def test_what_could_not_be_written_is_said_later() -> None:
    desk = EventQueue(uid_of)
    desk.take([problem()], [])
    for solved in (False, True):
        [saying] = said(desk)
        assert saying.solved == solved
        desk.failed(saying, 0)
        assert shown(desk) == [("web", solved)]
        desk.take([], [problem()])


def test_one_object_does_not_flood_and_does_not_hold_up_others() -> None:
    desk = EventQueue(uid_of)
    desk.take([problem(message=f"m{number}") for number in range(100)], [])
    desk.take([problem("other")], [])
    assert Counter(name for name, _ in shown(desk)) == {"web": OBJECT_BURST, "other": 1}
    assert desk.due() == pytest.approx(OBJECT_INTERVAL)
    assert len(said(desk, OBJECT_INTERVAL)) == 1


def test_ten_thousand_problems_do_not_flood() -> None:
    desk = EventQueue(uid_of)
    desk.take([problem(f"i{number}") for number in range(MAX_PENDING + 5)], [])
    assert (len(desk), desk.dropped) == (MAX_PENDING, 5)
    assert len(said(desk)) == BURST
    assert sum(len(said(desk, second)) for second in range(1, 11)) == pytest.approx(10 / INTERVAL, abs=1)


def test_what_stands_is_said_again_before_it_is_forgotten() -> None:
    desk = EventQueue(uid_of)
    desk.take([problem()], [])
    said(desk)
    desk.remind(REMIND - 1)
    assert said(desk, REMIND - 1) == []
    desk.remind(REMIND + 1)
    assert shown(desk, REMIND + 1) == [("web", False)]


def test_what_is_no_more_is_forgotten() -> None:
    """Previews come with their problems and go with them, all day."""
    desk = EventQueue(uid_of)
    for number in range(50):
        desk.take([problem(f"preview-{number}")], [])
    said(desk)
    desk.take([problem()], [problem(f"preview-{number}") for number in range(50)])
    said(desk, 10_000)
    desk.remind(10_000 + KEEP + REMIND)
    assert len(desk._told) <= 1


def existing(saying: PendingEvent, at: float = 0) -> Existing:
    return Existing.parse(manifest(saying, "before", AT), at)


def test_a_new_holder_repeats_nothing_and_says_what_changed_meanwhile() -> None:
    topics = {name: topic_of(problem(name), f"uid-{name}") for name in ("a", "b", "c", "d")}
    before = [
        existing(PendingEvent(topics["a"], solved=False), 1),  # stands
        existing(PendingEvent(topics["b"], solved=False), 1),  # solved, and nobody has said so
        existing(PendingEvent(topics["c"], solved=False), 1),
        existing(PendingEvent(topics["c"], solved=True), 2),  # solved, and said
        existing(PendingEvent(topics["d"], solved=True), 1),
        existing(PendingEvent(topics["d"], solved=False), 2),  # came back, and stands
        existing(PendingEvent(topic_of(problem("a"), "an earlier a"), solved=False), 1),
        existing(PendingEvent(topic_of(problem("missing"), "u"), solved=False), 1),
    ]
    desk = EventQueue(uid_of)
    desk.adopt(before, [problem("a"), problem("d"), problem("new")])
    assert sorted(shown(desk)) == [("b", True), ("new", False)]
    desk.take([problem("c")], [problem("a")])
    assert sorted(shown(desk)) == [("a", True), ("c", False)]


operations = st.lists(
    st.tuples(st.sampled_from(["come", "go", "say", "fail", "wait", "remind"]), st.integers(0, 3), st.integers(0, 1)),
    max_size=60,
)


@given(operations)
def test_in_the_end_the_newest_event_says_what_is(found: list[tuple[str, int, int]]) -> None:
    desk, now = EventQueue(uid_of), 0.0
    standing: set[Problem] = set()
    newest: dict[str, bool] = {}
    written = 0

    def write() -> None:
        nonlocal written
        while saying := desk.next(now):
            written += 1
            newest[saying.topic.name] = saying.solved

    for what, number, where in found:
        each = problem(f"i{number}", where=RULES.child(where))
        if what == "come" and each not in standing:
            standing.add(each)
            desk.take([each], [])
        elif what == "go" and each in standing:
            standing.remove(each)
            desk.take([], [each])
        elif what == "say":
            write()
        elif what == "fail" and (saying := desk.next(now)):
            desk.failed(saying, 0)
        elif what == "wait":
            now += 40
        elif what == "remind":
            desk.remind(now)
    now += 1e6
    write()
    assert len(desk) == 0
    names = {topic_of(each, f"uid-{each.object.name}").name for each in standing}
    assert {name for name, solved in newest.items() if not solved} == names


@dataclass
class Site:
    """A writer that leads, the mock, and the problems that there are."""

    api: FakeApi
    problems: list[Problem] = field(default_factory=list)
    writer: EventWriter = field(init=False)

    @property
    def events(self) -> list[Object]:
        return [each for path, each in self.api.objects.items() if "/events/" in path]

    def reasons(self) -> list[str]:
        return sorted(each["reason"] for each in self.events)

    def appear(self, *found: Problem) -> None:
        self.problems += found
        self.writer.note(found, ())

    def solve(self, *found: Problem) -> None:
        self.problems = [each for each in self.problems if each not in found]
        self.writer.note((), found)


@contextlib.asynccontextmanager
async def leading(it: Site, identity: str = "me") -> AsyncIterator[Site]:
    leadership = Leadership(it.api, Key("xds", "xds-ingress"), identity)
    it.writer = EventWriter(it.api, leadership, lambda: it.problems, uid_of)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(leadership.run()), tasks.create_task(it.writer.run())]
        yield it
        for task in running:
            task.cancel()


async def test_a_problem_and_its_recovery_are_two_events_and_a_relapse_counts() -> None:
    async with leading(Site(FakeApi(), [problem()])) as it:
        await it.api.until(lambda: it.reasons() == ["BackendNotFound"])
        it.solve(problem())
        await it.api.until(lambda: it.reasons() == ["BackendNotFound", "Resolved"])
        it.appear(problem())
        await it.api.until(lambda: any(each.get("series") for each in it.events))
        assert [each["series"]["count"] for each in it.events if "series" in each] == [2]
        assert len(it.events) == 2


async def test_a_successor_writes_only_what_is_new() -> None:
    it = Site(FakeApi(), [problem(f"i{number}") for number in range(300)])
    async with leading(it):
        await it.api.until(lambda: len(it.events) == BURST)
    before = len(it.api.writes("/events"))
    it.problems = [*it.problems[:10], problem("new")]
    async with leading(it, "successor"):
        await it.api.until(lambda: len(it.events) == 2 * BURST - 10 + 1)
    names = Counter(each["regarding"]["name"] for each in it.events)
    assert names["i0"] == 1
    assert names["i20"] == 2
    assert names["new"] == 1
    assert len(it.api.writes("/events")) - before == BURST - 10 + 1


@pytest.mark.parametrize("answer", [(403, {"message": "no"}), (503, {}), None])
async def test_an_outage_delays_events(answer: Any) -> None:
    refusals: list[str] = []

    def refuse(method: str, path: str) -> Any:
        if "/events" not in path or len(refusals) == 2:
            return None
        refusals.append(path)
        return answer or unavailable(method, path)

    async with leading(Site(FakeApi(refuse=refuse), [problem()])) as it:
        await it.api.until(lambda: it.events)
        assert len(refusals) == 2


async def test_what_is_refused_for_itself_is_left_out() -> None:
    ending = (403, {"details": {"causes": [{"reason": "NamespaceTerminating"}]}})
    answers: list[tuple[int, Object]] = [(422, {"message": "invalid"}), ending]

    def refuse(method: str, path: str) -> tuple[int, Object] | None:
        return answers.pop() if method == "POST" and "/events" in path and answers else None

    async with leading(Site(FakeApi(refuse=refuse), [problem("a"), problem("b"), problem("c")])) as it:
        await it.api.until(lambda: it.events)
        assert [each["regarding"]["name"] for each in it.events] == ["c"]
