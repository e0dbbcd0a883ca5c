"""What proxies refuse, in their words, for those who are to mend it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from xds.protocol.events import Rejected
from xds.protocol.rejection.last_good import LastGood
from xds.protocol.session import Session
from xds.snapshot.resource import Resource
from xds.snapshot.store import ResourceKey, Store

MOST: Final = 10
"""Virtual hosts that are told of the refusal of the RouteConfiguration that they are inside of. If it may be any of
more, that is told of.
"""


@dataclass(frozen=True, slots=True)
class RejectionReport:
    """A wanted resource that `proxies` refused, when this was first asked for; `words` are those of the first.

    `good` is what the fleet has gone back to. None: it has nothing of it, or, unless `withdrawn`, others took it.
    """

    resource: Resource
    words: str
    proxies: int
    good: Resource | None
    withdrawn: bool

    @property
    def effect(self) -> str:
        """What it leads to, with a place for the name of the resource."""
        who = "a proxy refuses" if self.proxies == 1 else f"{self.proxies} proxies refuse"
        if self.good is not None:
            return f"{who} {{}}, and all go on with the last version that one accepted"
        if self.withdrawn:
            return f"{who} {{}}, and none has accepted a version of it, so it is left out"
        return f"{who} {{}}, and goes on without it or with what it had; what others accept they get"


@dataclass(frozen=True, slots=True)
class _Heard:
    version: str
    words: str


class RejectionReports:
    """Remembers the words until the resource changed and was accepted, or is gone, or nobody refuses it any more."""

    def __init__(self, wanted: Store, verdicts: LastGood) -> None:
        self._wanted = wanted
        self._verdicts = verdicts
        self._heard: dict[ResourceKey, _Heard] = {}
        self._made: dict[ResourceKey, RejectionReport] = {}

    def __bool__(self) -> bool:
        return bool(self._heard)

    def hear(self, event: Rejected) -> None:
        """Of those who refuse the same, the first has the word."""
        culprits = [(event.type, name, version) for name, version in event.rejection.culprits]
        blamed = [(each.type, each.name, each.version) for each in self._verdicts.blamed(event)]
        for type_, name, version in blamed if 0 < len(blamed) <= MOST else culprits:
            known = self._heard.get((type_, name))
            if known is None or known.version != version:
                self._heard[type_, name] = _Heard(version, event.rejection.message)

    def standing(self, sessions: Iterable[Session]) -> list[RejectionReport]:
        """What is refused now. It doesn't change for every proxy that refuses the same."""
        refusing = Counter(key for session in sessions for key in session.refused())
        self._heard = {key: heard for key, heard in self._heard.items() if self._stands(key, heard, refusing[key])}
        self._made = {key: self._complaint(key, heard, refusing[key]) for key, heard in self._heard.items()}
        return list(self._made.values())

    def _stands(self, key: ResourceKey, heard: _Heard, proxies: int) -> bool:
        """A new version that nobody has tried yet leaves things as they were."""
        type_, name = key
        wanted = self._wanted.get(type_, name)
        if wanted is None or proxies or name in self._verdicts.refused(type_):
            return wanted is not None
        return wanted.version != heard.version and self._verdicts.is_untried(type_, name)

    def _complaint(self, key: ResourceKey, heard: _Heard, proxies: int) -> RejectionReport:
        wanted, known = self._wanted.get(*key), self._made.get(key)
        if known and (wanted is None or wanted.version != heard.version or wanted.version == known.resource.version):
            return known
        if wanted is None:
            raise RuntimeError("what is gone can't be complained of")
        good, refused = self._verdicts.good(*key), key[1] in self._verdicts.refused(key[0])
        return RejectionReport(
            wanted, heard.words, max(proxies, 1), good if refused else None, refused and good is None
        )
