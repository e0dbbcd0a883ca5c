"""Named objects, with events of the watch, lists, look-ups and Ingresses in any order.

The state machine models the API server's promises. A watch reports all writes in order, and may lag behind. A list is
the state at the time of the request, and may arrive in pieces or break off. The answer of a look-up is the state at the
time of the answer, and may arrive late or never.
"""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from tests.support.objects import ingress, key, path, secret_of, service
from tests.support.objects import rule as http_rule
from tests.support.objects import tls as tls_entry
from xds.kube.change import Applied, Change, Deleted
from xds.kube.objects import Ingress, KubeObject, Secret, Service
from xds.kube.wire import Found, Gone, Page
from xds.problems.problem import Key
from xds.sources.apiserver.named_objects import NamedObjects
from xds.sources.apiserver.named_secrets import named_secrets

NAMES = ("a", "b")
ALWAYS = "b"


def applied(name: str, *secrets: str) -> Applied:
    return Applied(ingress(name, tls=[tls_entry(secret=each) for each in secrets]))


def found(name: str, version: int) -> Found:
    return Found(key(name), str(version), secret_of(name, str(version).encode(), None))


class Secrets(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.named = named_secrets([key(ALWAYS)])
        self.revision = 10
        self.exists: dict[str, int] = {}
        self.history: list[Found | Gone] = []
        self.watched = 0
        """The position of the watch in the history."""
        self.listing: tuple[int, int, list[Found]] | None = None
        """A list under way: version, position in the history, and objects still to come."""
        self.relist = True
        self.ingresses: dict[str, frozenset[str]] = {}
        self.pending: list[Change] = []
        """Changes of Ingresses that wait for look-ups."""
        self.asked: dict[str, Page | None] = {}
        """Look-ups under way, with the answer once the API server has read it."""
        self.told: dict[str, int] = {}

    def tell(self, changes: list[Change]) -> None:
        for change in changes:
            match change:
                case Applied(object=Secret() as each):
                    version = int((each.data and each.data.tls_crt) or b"0")
                    assert version > self.told.get(each.key.name, 0), "time doesn't go back"
                    self.told[each.key.name] = version
                case Deleted(kind=kind, key=gone):
                    assert kind is Secret
                    last = self.told.pop(gone.name)
                    ended = any(isinstance(e, Gone) and e.key == gone and int(e.version) > last for e in self.history)
                    assert ended or gone.name not in self.wanted, "what exists and is named isn't withdrawn"

    @property
    def wanted(self) -> frozenset[str]:
        return frozenset(ALWAYS).union(*self.ingresses.values())

    # The API server.

    @rule(name=st.sampled_from(NAMES))
    def write(self, name: str) -> None:
        self.revision += 1
        self.exists[name] = self.revision
        self.history.append(found(name, self.revision))

    @rule(name=st.sampled_from(NAMES))
    def delete(self, name: str) -> None:
        if self.exists.pop(name, None):
            self.revision += 1
            self.history.append(Gone(key(name), str(self.revision)))

    # The watch.

    @precondition(lambda self: self.listing is None and not self.relist and self.watched < len(self.history))
    @rule()
    def event(self) -> None:
        event = self.history[self.watched]
        self.watched += 1
        self.tell(self.named.apply(event))

    @precondition(lambda self: self.listing is None)
    @rule()
    def begin_list(self) -> None:
        self.named.begin_list()
        self.relist = True
        self.listing = self.revision, len(self.history), [found(*each) for each in sorted(self.exists.items())]

    @precondition(lambda self: self.listing is not None)
    @rule()
    def list_one(self) -> None:
        assert self.listing is not None
        version, position, rest = self.listing
        if rest:
            self.tell(self.named.apply(rest.pop(0)))
            return
        self.listing, self.relist, self.watched = None, False, position
        self.tell(self.named.end_list(str(version)))

    @rule()
    def break_list(self) -> None:
        self.listing = None

    # The Ingresses.

    @precondition(lambda self: not self.pending and not self.relist)
    @rule(name=st.just("x"), secrets=st.sets(st.sampled_from(NAMES)))
    def name(self, name: str, secrets: set[str]) -> None:
        self.pending = [applied(name, *sorted(secrets)) if secrets else Deleted(Ingress, key(name))]
        before = self.wanted
        begun = self.named.expect(self.pending)
        assert {each.name for each in begun} == secrets - before
        self.named.begin_look_up(begun)
        self.asked = {each.name: None for each in begun}
        self.finish_naming()

    @rule(name=st.sampled_from(NAMES))
    def read(self, name: str) -> None:
        if name in self.asked and self.asked[name] is None:
            items = (found(name, self.exists[name]),) if name in self.exists else ()
            self.asked[name] = Page(items, str(self.revision), "")

    @precondition(lambda self: self.pending)
    @rule()
    def time_out(self) -> None:
        missing = [key(name) for name, page in self.asked.items() if page is None]
        self.named.cancel_look_up(missing)
        self.asked = {name: page for name, page in self.asked.items() if page is not None}
        if missing:
            self.listing, self.relist = None, True
        self.finish_naming()

    @precondition(lambda self: self.pending)
    @rule()
    def finish_naming(self) -> None:
        answers = {name: page for name, page in self.asked.items() if page is not None}
        if len(answers) < len(self.asked):
            return
        for name, page in answers.items():
            self.tell(self.named.end_look_up(key(name), page))
        pending, self.pending, self.asked = self.pending, [], {}
        for change in pending:
            match change:
                case Applied(object=Ingress() as each):
                    self.ingresses[each.key.name] = frozenset(t.secret_name or "" for t in each.spec.tls or ())
                case Deleted(key=gone):
                    self.ingresses.pop(gone.name, None)
        self.tell(self.named.release(pending))

    # What must hold.

    @invariant()
    def little_is_kept(self) -> None:
        held = {each.name for each in self.named._objects}
        assert held == self.told.keys()
        assert held <= self.wanted | self.asked.keys() | {n for c in self.pending for n in _names(c)}

    def teardown(self) -> None:
        for name in list(self.asked):
            self.read(name)
        if self.pending:
            self.finish_naming()
        if self.relist and self.listing is None:
            self.begin_list()
        while self.listing is not None:
            self.list_one()
        while self.watched < len(self.history):
            self.event()
        assert self.told == {name: version for name, version in self.exists.items() if name in self.wanted}


def _names(change: Change) -> set[str]:
    if isinstance(change, Applied) and isinstance(change.object, Ingress):
        return {each.secret_name or "" for each in change.object.spec.tls or ()}
    return set()


TestSecrets = Secrets.TestCase
TestSecrets.settings = settings(max_examples=200, stateful_step_count=30, deadline=None)


# Each way in which watch and look-up can cross.

A = key("a")


def asked() -> NamedObjects:
    """Return a tracker without objects, with a look-up of Secret `a` under way."""
    named = named_secrets()
    named.begin_list()
    named.end_list("10")
    named.begin_look_up(named.expect([applied("x", "a")]))
    return named


def page(version: int, *items: Found) -> Page:
    return Page(items, str(version), "")


def versions(changes: list[Change]) -> list[int]:
    return [
        int((change.object.data and change.object.data.tls_crt) or b"0")
        for change in changes
        if isinstance(change, Applied) and isinstance(change.object, Secret)
    ]


def test_the_answer_of_a_look_up_counts() -> None:
    named = asked()
    assert versions(named.end_look_up(A, page(11, found("a", 9)))) == [9]


def test_an_answer_from_before_an_event_does_not_count() -> None:
    named = asked()
    assert versions(named.apply(found("a", 12))) == [12]
    assert named.end_look_up(A, page(11, found("a", 11))) == []


def test_an_answer_from_before_the_end_of_the_secret_does_not_count() -> None:
    named = asked()
    named.apply(Gone(A, "12"))
    assert named.end_look_up(A, page(11, found("a", 11))) == []


def test_an_empty_answer_deletes_the_secret() -> None:
    """The watch, which lags behind, repeats the deletion without effect."""
    named = asked()
    named.apply(found("a", 10))
    assert named.end_look_up(A, page(12)) == [Deleted(Secret, A)]
    assert named.apply(Gone(A, "11")) == []


def test_events_older_than_the_answer_are_ignored() -> None:
    named = asked()
    named.end_look_up(A, page(13, found("a", 13)))
    assert named.apply(found("a", 11)) == []
    assert named.apply(Gone(A, "12")) == []
    assert named.apply(found("a", 13)) == []
    assert versions(named.apply(found("a", 14))) == [14]


def test_a_list_begun_before_the_answer_deletes_nothing() -> None:
    named = asked()
    named.begin_list()
    named.end_look_up(A, page(12, found("a", 12)))
    assert named.end_list("11") == []


def test_a_list_begun_before_the_answer_applies_no_older_version() -> None:
    named = asked()
    named.begin_list()
    named.apply(found("a", 9))
    named.end_look_up(A, page(12, found("a", 12)))
    assert named.end_list("11") == []


def test_an_answer_from_before_a_list_does_not_count() -> None:
    named = asked()
    named.apply(found("a", 11))
    named.begin_list()
    assert named.end_list("13") == [Deleted(Secret, A)]
    assert named.end_look_up(A, page(12, found("a", 11))) == []


def test_an_answer_counts_after_a_list_without_the_secret() -> None:
    named = named_secrets()
    named.begin_list()
    named.apply(found("a", 9))  # nobody names it yet
    named.begin_look_up(named.expect([applied("x", "a")]))
    assert named.end_list("10") == []
    assert versions(named.end_look_up(A, page(10, found("a", 9)))) == [9]


def test_a_later_list_forgets_the_answer() -> None:
    named = asked()
    named.end_look_up(A, page(1000, found("a", 1000)))
    named.begin_list()  # etcd was restored from a backup
    named.apply(found("a", 12))
    assert versions(named.end_list("12")) == [12]


def test_a_secret_of_two_ingresses_stays_until_the_second_lets_go() -> None:
    named = named_secrets()
    assert named.expect([applied("x", "a"), applied("y", "a")]) == [key("a")]
    named.release([applied("x", "a"), applied("y", "a")])
    named.apply(found("a", 1))
    assert named.expect([Deleted(Ingress, key("x"))]) == []
    assert named.release([Deleted(Ingress, key("x"))]) == []
    assert named.release([applied("y", "b")]) == [Deleted(Secret, key("a"))]
    assert len(named) == 0


def test_a_secret_without_ingress_leaves_no_trace() -> None:
    named = named_secrets([Key("other", "a")])
    named.begin_list()
    assert named.apply(found("a", 1)) == []
    assert named.end_list("1") == []
    assert len(named) == 0


def test_objects_of_any_kind_can_be_tracked_by_name() -> None:
    def services_of(each: KubeObject) -> frozenset[Key]:
        return frozenset(key(rule.host or "") for rule in (isinstance(each, Ingress) and each.spec.rules) or ())

    named = NamedObjects(Service, services_of)
    naming = [Applied(ingress("x", http_rule("web", path("/"))))]
    assert named.expect(naming) == [key("web")]
    web = service("web")
    assert named.apply(Found(key("web"), "3", web)) == [Applied(web)]
    assert named.release(naming) == []
    gone: list[Change] = [Deleted(Ingress, key("x"))]
    assert named.expect(gone) == []
    assert named.release(gone) == [Deleted(Service, key("web"))]
