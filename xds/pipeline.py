"""The way of the data, from changes to a revision: the only module that sees all stages, and the only writer."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

from xds.explain.evidence import Witness
from xds.kube.change import Batch
from xds.kube.problem import Problem
from xds.kube.state import KubeState, Stale
from xds.resources.builder import Builder, Resources
from xds.resources.options import ProxyOptions
from xds.snapshot.store import Revision, Store
from xds.translate.ledger import News
from xds.translate.translator import TranslateOptions, Translator


class Pipeline:
    """Turns changes into revisions of `store`. One task calls `apply`; anyone may ask the rest.

    Args:
        state: What is known; nobody else may change it.
        translate: What the operator allows.
        proxy: What the operator chose of the listeners.
    """

    def __init__(self, state: KubeState, translate: TranslateOptions, proxy: ProxyOptions) -> None:
        self.store = Store()
        self._state = state
        self._proxy = proxy
        self._translator = Translator(state, translate)
        self._builder = Builder(self._translator, proxy)
        self._stale = Stale()

    @property
    def ready(self) -> bool:
        """Whether there is a first snapshot; until then nothing may be served."""
        return self.store.revision > 0

    @property
    def state(self) -> KubeState:
        """For questions only."""
        return self._state

    @property
    def traffic(self) -> Translator:
        return self._translator

    @property
    def witness(self) -> Witness:
        """For questions why something is as it is."""
        return Witness(self._state, self._translator, self.store, self._proxy, lambda: self.problems)

    @property
    def problems(self) -> list[Problem]:
        return self._translator.problems

    @property
    def problem_reasons(self) -> Mapping[str, int]:
        """How many problems there are, by reason."""
        return self._translator.problem_reasons

    def take_news(self) -> News:
        """The problems that came and went since this was last asked."""
        return self._translator.take_news()

    def apply(self, batches: Iterable[Batch], now: float) -> Revision | None:
        """Take in the batches that are waiting, as one. Returns the revision they make, None if nothing differs.

        Args:
            batches: In the order in which they were read, at least one.
            now: Seconds of the clock that the batches' `read_at` is of.
        """
        batches = list(batches)
        changes = (change for batch in batches for change in batch.changes)
        self._stale = Stale.union([self._stale, *map(self._state.apply, changes)])
        if not self._state.synced:
            return None
        return self.store.commit(self._build(), read_at=min(batch.read_at for batch in batches), now=now)

    def _build(self) -> Resources:
        stale, self._stale = self._stale, Stale()
        return self._builder.build(self._translator.update(stale, datetime.now(UTC)))
