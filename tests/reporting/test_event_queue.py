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
from tests.support.waiting import until
from xds.kubeapi import backoff
from xds.problems.field_path import FieldPath
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.reporting.event_queue import (
    EVENT_TTL_SECONDS,
    MAX_QUEUED_EVENTS,
    OBJECT_BURST,
    OBJECT_INTERVAL_SECONDS,
    REPEAT_AFTER_SECONDS,
    REPORTING_CONTROLLER,
    TOTAL_BURST,
    TOTAL_INTERVAL_SECONDS,
    EventKey,
    EventQueue,
    ExistingEvent,
    PendingEvent,
    event_manifest,
    repetition_patch,
)
from xds.reporting.event_writer import EventWriter
from xds.reporting.failed_writes import FAILING_OBJECTS_OF_NAMESPACE
from xds.reporting.lease import Leadership
from xds.reporting.outcome import Outcome, no_writes

SPEC = FieldPath.of("spec")
RULES = SPEC.child("rules")
AT = "2026-06-01T12:00:00.000000Z"


def ingress(name: str) -> ObjectRef:
    return ObjectRef("Ingress", "shop", name)


def problem(name: str = "web", message: str = "Service 'shop/api' doesn't exist", where: FieldPath = SPEC) -> Problem:
    return Problem(ingress(name), Reason.BACKEND_NOT_FOUND, message, "Create it.", where)


def uid_of(about: ObjectRef) -> str | None:
    return None if about.name == "missing" else f"uid-{about.name}"


def written(queue: EventQueue, now: float = 0) -> list[PendingEvent]:
    found = []
    while event := queue.pop(now):
        found.append(event)
    return found


def shown(queue: EventQueue, now: float = 0) -> list[tuple[str, bool]]:
    return [(each.key.object.name, each.solved) for each in written(queue, now)]


def test_an_event_has_the_message_and_the_remedy() -> None:
    event = event_manifest(PendingEvent(EventKey.of(problem(), "u"), solved=False), "me", AT)
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


def test_an_event_about_a_solution_names_the_problem() -> None:
    event = event_manifest(PendingEvent(EventKey.of(problem(), "u"), solved=True), "me", AT)
    assert (event["type"], event["reason"]) == ("Normal", "Resolved")
    assert event["note"].startswith("BackendNotFound is solved. It was: Service 'shop/api' doesn't exist.")
    assert event["metadata"]["name"].endswith(".solved")


@given(st.text(max_size=2000), st.text(max_size=300))
def test_names_and_notes_keep_to_the_limits(message: str, remedy: str) -> None:
    about = ObjectRef("Ingress", "shop", "a" * 253)
    key = EventKey.of(Problem(about, Reason.PATH_CONFLICT, message, remedy), "u")
    for solved in (False, True):
        event = event_manifest(PendingEvent(key, solved), "me" * 100, AT)
        assert len(event["note"].encode()) <= 1024
        assert len(event["metadata"]["name"]) <= 253
        assert len(event["reportingInstance"]) <= 128


def test_events_of_objects_without_namespace_are_in_default() -> None:
    about = Problem(ObjectRef("IngressClass", "", "envoy"), Reason.INVALID_OBJECT, "no", "yes")
    event = event_manifest(PendingEvent(EventKey.of(about, "u"), solved=False), "me", AT)
    assert event["metadata"]["namespace"] == "default"
    assert "namespace" not in event["regarding"]


def test_a_repetition_counts() -> None:
    assert repetition_patch({}, AT) == {"series": {"count": 2, "lastObservedTime": AT}}
    assert repetition_patch({"series": {"count": 2}}, AT)["series"]["count"] == 3


def test_the_name_of_an_event_follows_from_object_reason_and_message() -> None:
    name = EventKey.of(problem(), "u").name
    assert name == EventKey.of(replace(problem(), field=FieldPath.of("elsewhere"), remedy="Another."), "u").name
    others = [
        EventKey.of(problem(), "recreated"),
        EventKey.of(problem(message="other"), "u"),
        EventKey.of(replace(problem(), reason=Reason.PATH_CONFLICT), "u"),
    ]
    assert name not in [each.name for each in others]


def test_a_problem_in_two_fields_is_a_single_event_and_solved_with_the_last_field() -> None:
    queue = EventQueue(uid_of)
    a, b = problem(where=RULES.child(0)), problem(where=RULES.child(1))
    queue.update([a, b], [])
    assert shown(queue) == [("web", False)]
    queue.update([], [a])
    assert shown(queue) == []
    queue.update([replace(a, field=RULES.child(2))], [b])  # a rule was moved
    assert shown(queue) == []
    queue.update([], [replace(a, field=RULES.child(2))])
    assert shown(queue) == [("web", True)]


def test_a_problem_solved_before_its_event_leaves_no_event() -> None:
    queue = EventQueue(uid_of)
    queue.update([problem()], [])
    queue.update([], [problem()])
    assert (shown(queue), len(queue), queue.due_at()) == ([], 0, inf)


def test_missing_objects_and_files_have_no_events() -> None:
    queue = EventQueue(uid_of)
    queue.update([problem("missing"), Problem(ObjectRef("File", "", "missing"), Reason.MALFORMED_FILE, "", "")], [])
    assert written(queue) == []


def test_a_deleted_object_has_no_event_about_a_solution() -> None:
    alive = {"web": "u"}
    queue = EventQueue(lambda about: alive.get(about.name))
    queue.update([problem()], [])
    written(queue)
    alive.clear()
    queue.update([], [problem()])
    assert written(queue) == []


def test_an_event_that_could_not_be_written_is_written_later() -> None:
    queue = EventQueue(uid_of)
    queue.update([problem()], [])
    for solved in (False, True):
        [event] = written(queue)
        assert event.solved == solved
        queue.retry(event, 0)
        assert shown(queue) == [("web", solved)]
        queue.update([], [problem()])


def test_the_rate_of_an_object_is_limited_without_delaying_further_objects() -> None:
    queue = EventQueue(uid_of)
    queue.update([problem(message=f"m{number}") for number in range(100)], [])
    queue.update([problem("other")], [])
    assert Counter(name for name, _ in shown(queue)) == {"web": OBJECT_BURST, "other": 1}
    assert queue.due_at() == pytest.approx(OBJECT_INTERVAL_SECONDS)
    assert len(written(queue, OBJECT_INTERVAL_SECONDS)) == 1


def test_the_rate_of_ten_thousand_problems_is_limited() -> None:
    queue = EventQueue(uid_of)
    queue.update([problem(f"i{number}") for number in range(MAX_QUEUED_EVENTS + 5)], [])
    assert (len(queue), queue.dropped) == (MAX_QUEUED_EVENTS, 5)
    assert len(written(queue)) == TOTAL_BURST
    assert sum(len(written(queue, second)) for second in range(1, 11)) == pytest.approx(
        10 / TOTAL_INTERVAL_SECONDS, abs=1
    )


def test_the_event_of_a_standing_problem_is_written_again_before_the_ttl() -> None:
    queue = EventQueue(uid_of)
    queue.update([problem()], [])
    written(queue)
    queue.repeat(REPEAT_AFTER_SECONDS - 1)
    assert written(queue, REPEAT_AFTER_SECONDS - 1) == []
    queue.repeat(REPEAT_AFTER_SECONDS + 1)
    assert shown(queue, REPEAT_AFTER_SECONDS + 1) == [("web", False)]


def test_an_object_created_again_gets_the_events_of_its_standing_problems() -> None:
    uids = {ingress(name): f"{name}-1" for name in ("web", "other")}
    queue = EventQueue(uids.get)
    queue.update([problem(), problem("other"), problem(message="solved")], [])
    written(queue)
    queue.update([], [problem(message="solved")])
    uids[ingress("web")] = "web-2"
    queue.renew({ingress("web")})
    events = written(queue, 10)
    assert [(each.key.object.name, each.key.uid, each.solved) for each in events] == [("web", "web-2", False)]
    queue.renew({ingress("web")})
    assert not written(queue, 20)


def test_written_events_of_deleted_objects_are_forgotten() -> None:
    """Previews come with their problems and go with them, all day."""
    queue = EventQueue(uid_of)
    for number in range(50):
        queue.update([problem(f"preview-{number}")], [])
    written(queue)
    queue.update([problem()], [problem(f"preview-{number}") for number in range(50)])
    written(queue, 10_000)
    queue.repeat(10_000 + EVENT_TTL_SECONDS + REPEAT_AFTER_SECONDS)
    assert len(queue._written) <= 1


def existing(event: PendingEvent, at: float = 0) -> ExistingEvent:
    return ExistingEvent.parse(event_manifest(event, "before", AT), at)


def test_a_new_leader_writes_only_events_about_changes() -> None:
    keys = {name: EventKey.of(problem(name), f"uid-{name}") for name in ("a", "b", "c", "d")}
    before = [
        existing(PendingEvent(keys["a"], solved=False), 1),  # stands
        existing(PendingEvent(keys["b"], solved=False), 1),  # solved, and nobody has said so
        existing(PendingEvent(keys["c"], solved=False), 1),
        existing(PendingEvent(keys["c"], solved=True), 2),  # solved, and said
        existing(PendingEvent(keys["d"], solved=True), 1),
        existing(PendingEvent(keys["d"], solved=False), 2),  # came back, and stands
        existing(PendingEvent(EventKey.of(problem("a"), "an earlier a"), solved=False), 1),
        existing(PendingEvent(EventKey.of(problem("missing"), "u"), solved=False), 1),
    ]
    queue = EventQueue(uid_of)
    queue.adopt(before, [problem("a"), problem("d"), problem("new")])
    assert sorted(shown(queue)) == [("b", True), ("new", False)]
    queue.update([problem("c")], [problem("a")])
    assert sorted(shown(queue)) == [("a", True), ("c", False)]


operations = st.lists(
    st.tuples(st.sampled_from(["come", "go", "say", "fail", "wait", "remind"]), st.integers(0, 3), st.integers(0, 1)),
    max_size=60,
)


@given(operations)
def test_the_newest_event_of_a_problem_says_whether_the_problem_stands(found: list[tuple[str, int, int]]) -> None:
    queue, now = EventQueue(uid_of), 0.0
    standing: set[Problem] = set()
    newest: dict[str, bool] = {}
    written = 0

    def write() -> None:
        nonlocal written
        while event := queue.pop(now):
            written += 1
            newest[event.key.name] = event.solved

    for what, number, where in found:
        each = problem(f"i{number}", where=RULES.child(where))
        if what == "come" and each not in standing:
            standing.add(each)
            queue.update([each], [])
        elif what == "go" and each in standing:
            standing.remove(each)
            queue.update([], [each])
        elif what == "say":
            write()
        elif what == "fail" and (event := queue.pop(now)):
            queue.retry(event, 0)
        elif what == "wait":
            now += 40
        elif what == "remind":
            queue.repeat(now)
    now += 1e6
    write()
    assert len(queue) == 0
    names = {EventKey.of(each, f"uid-{each.object.name}").name for each in standing}
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
async def leading(it: Site, identity: str = "me", controller: str = REPORTING_CONTROLLER) -> AsyncIterator[Site]:
    leadership = Leadership(it.api, Key("xds", "xds-ingress"), identity)
    it.writer = EventWriter(it.api, leadership, lambda: it.problems, uid_of, controller=controller)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(leadership.run()), tasks.create_task(it.writer.run())]
        yield it
        for task in running:
            task.cancel()


async def test_a_problem_and_its_solution_are_two_events_and_a_relapse_is_counted() -> None:
    async with leading(Site(FakeApi(), [problem()])) as it:
        await it.api.until(lambda: it.reasons() == ["BackendNotFound"])
        it.solve(problem())
        await it.api.until(lambda: it.reasons() == ["BackendNotFound", "Resolved"])
        it.appear(problem())
        await it.api.until(lambda: any(each.get("series") for each in it.events))
        assert [each["series"]["count"] for each in it.events if "series" in each] == [2]
        assert len(it.events) == 2


async def test_a_successor_writes_only_new_events() -> None:
    it = Site(FakeApi(), [problem(f"i{number}") for number in range(300)])
    async with leading(it):
        await it.api.until(lambda: len(it.events) == TOTAL_BURST)
    before = len(it.api.writes("/events"))
    it.problems = [*it.problems[:10], problem("new")]
    async with leading(it, "successor"):
        await it.api.until(lambda: len(it.events) == 2 * TOTAL_BURST - 10 + 1)
    names = Counter(each["regarding"]["name"] for each in it.events)
    assert names["i0"] == 1
    assert names["i20"] == 2
    assert names["new"] == 1
    assert len(it.api.writes("/events")) - before == TOTAL_BURST - 10 + 1


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


@pytest.mark.parametrize("answer", [(403, {"message": "no"}), (500, {}), None])
async def test_a_namespace_whose_events_fail_delays_no_other_namespace(
    answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backoff, "FIRST_DELAY_SECONDS", 3600)
    monkeypatch.setattr(backoff, "MAX_DELAY_SECONDS", 3600)

    def refuse(method: str, path: str) -> Any:
        if method != "POST" or "/namespaces/broken/" not in path:
            return None
        return answer or unavailable(method, path)

    broken = [replace(problem(), object=ObjectRef("Ingress", "broken", f"b{number}")) for number in range(30)]
    async with leading(Site(FakeApi(refuse=refuse), [*broken, problem("web")])) as it:
        await it.api.until(lambda: it.events)
        it.appear(problem("late"))
        await it.api.until(lambda: len(it.events) == 2)
        assert len(it.writer.failed_writes) == FAILING_OBJECTS_OF_NAMESPACE
        it.solve(*broken)
        it.appear(problem("last"))
        await it.api.until(lambda: len(it.events) == 3)
        assert len(it.writer.failed_writes) == 0


async def test_an_installation_resolves_no_events_of_another() -> None:
    api = FakeApi()
    async with leading(Site(api, [problem()])) as it:
        await api.until(lambda: it.events)
    async with leading(Site(api, []), "other", controller="xds-ingress.dev/xds-ingress-internal") as it:
        it.appear(problem("late"), problem())
        await api.until(lambda: len(it.events) == 3)
        assert it.reasons() == ["BackendNotFound"] * 3


async def test_a_rejected_event_does_not_delay_further_events() -> None:
    ending = (403, {"details": {"causes": [{"reason": "NamespaceTerminating"}]}})
    answers: list[tuple[int, Object]] = [(422, {"message": "invalid"}), ending]

    def refuse(method: str, path: str) -> tuple[int, Object] | None:
        return answers.pop() if method == "POST" and "/events" in path and answers else None

    async with leading(Site(FakeApi(refuse=refuse), [problem("a"), problem("b"), problem("c")])) as it:
        await it.api.until(lambda: it.events)
        assert [each["regarding"]["name"] for each in it.events] == ["c"]
        await until(lambda: it.writer.writes == {**no_writes(), Outcome.WRITTEN: 1, Outcome.REJECTED: 1})
