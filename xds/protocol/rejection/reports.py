"""Reports of rejected resources, with Envoy's message, for the people who can fix the source."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from xds.protocol.messages import Rejected
from xds.protocol.rejection.last_good import LastGood
from xds.protocol.session import Session
from xds.snapshot.resource import Resource
from xds.snapshot.store import ResourceKey, Store

BLAMED_HOSTS_LIMIT: Final = 10
"""Virtual hosts that are reported for a rejected RouteConfiguration with virtual hosts inside. Where more may be the
cause, the RouteConfiguration is reported instead.
"""


@dataclass(frozen=True, slots=True)
class RejectionReport:
    """A wanted resource that proxies reject.

    Attributes:
        message: Envoy's message, from the first NACK.
        proxies: Number of rejecting proxies at the time of the first report.
        good: The version that the fleet went back to; None: no version, or other proxies accepted the wanted one.
        withdrawn: Whether no proxy gets any version.
    """

    resource: Resource
    message: str
    proxies: int
    good: Resource | None
    withdrawn: bool

    @property
    def effect(self) -> str:
        """The consequence for the fleet, with `{}` for the name of the resource."""
        subject = "a proxy rejects" if self.proxies == 1 else f"{self.proxies} proxies reject"
        if self.good is not None:
            return f"{subject} {{}}, and all proxies keep the last version that one accepted"
        if self.withdrawn:
            return f"{subject} {{}}, and no proxy has accepted a version of it, so it is left out"
        return f"{subject} {{}}, and goes on without it or with its former version; proxies that accept it get it"


@dataclass(frozen=True, slots=True)
class _Message:
    """Envoy's message on one version of a resource."""

    version: str
    text: str


class RejectionReports:
    """Keeps the first message per rejected resource. A message is dropped when the resource is removed, when a proxy
    accepts a later version, or when no proxy rejects the resource any more.
    """

    def __init__(self, wanted: Store, last_good: LastGood) -> None:
        self._wanted = wanted
        self._last_good = last_good
        self._messages: dict[ResourceKey, _Message] = {}
        self._reports: dict[ResourceKey, RejectionReport] = {}

    def __bool__(self) -> bool:
        return bool(self._messages)

    def add(self, event: Rejected) -> None:
        """Record a NACK. The first message on a version stays."""
        wanted = [(each.type, each.name, each.version) for each in self._last_good.blamed(event)]
        sent = [(event.type, name, version) for name, version in event.rejection.blamed]
        for type_, name, version in wanted if 0 < len(wanted) <= BLAMED_HOSTS_LIMIT else sent:
            known = self._messages.get((type_, name))
            if known is None or known.version != version:
                self._messages[type_, name] = _Message(version, event.rejection.message)

    def current(self, sessions: Iterable[Session]) -> list[RejectionReport]:
        """Report the resources rejected now. Further proxies that reject the same version don't change a report."""
        rejecting = Counter(key for session in sessions for key in session.rejected())
        self._messages = {
            key: message for key, message in self._messages.items() if self._applies(key, message, rejecting[key])
        }
        self._reports = {key: self._report(key, message, rejecting[key]) for key, message in self._messages.items()}
        return list(self._reports.values())

    def _applies(self, key: ResourceKey, message: _Message, proxies: int) -> bool:
        """Whether a message is still of interest. A new version that no proxy has tried yet doesn't end a report."""
        type_, name = key
        wanted = self._wanted.get(type_, name)
        if wanted is None or proxies or name in self._last_good.rejected(type_):
            return wanted is not None
        return wanted.version != message.version and self._last_good.is_untried(type_, name)

    def _report(self, key: ResourceKey, message: _Message, proxies: int) -> RejectionReport:
        wanted, known = self._wanted.get(*key), self._reports.get(key)
        if known and (wanted is None or wanted.version != message.version or wanted.version == known.resource.version):
            return known
        if wanted is None:
            raise RuntimeError("a removed resource has no report")
        good, rejected = self._last_good.good(*key), key[1] in self._last_good.rejected(key[0])
        return RejectionReport(
            resource=wanted,
            message=message.text,
            proxies=max(proxies, 1),
            good=good if rejected else None,
            withdrawn=rejected and good is None,
        )
