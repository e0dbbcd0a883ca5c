"""The domains of the route tables of bound listeners."""

from collections.abc import Iterator, Mapping

from xds.resources.domains import ANY_HOST, Answers, Domain, FixedAnswer
from xds.traffic.bound import BoundListener, Chain, TableKey
from xds.traffic.hosts import wildcards_of
from xds.traffic.routes import VirtualHost


class Table:
    """The domains of a route table: virtual hosts, 404 for unknown hosts, and 421 for hosts of other connections.

    A client that sent the server name of one chain may ask for a host of another chain: HTTP/2 reuses connections
    whose certificate covers the host.
    Source: https://gateway-api.sigs.k8s.io/geps/gep-3567/

    Args:
        listener: The listener.
        key: The table.
        hosts: The virtual hosts of the table, by domain.
    """

    def __init__(self, listener: BoundListener, key: TableKey, hosts: Mapping[str, VirtualHost]) -> None:
        self._key = key
        self._hosts = hosts
        self._chains: dict[str, Chain] = listener.server_names if key.tls else {}
        self._fixed = {ANY_HOST, *filter(None, self._chains)}

    def domains(self) -> Iterator[Domain]:
        """All domains."""
        for name in sorted(self._fixed | self._hosts.keys()):
            yield self._domain(name)

    def domain(self, name: str) -> Domain | None:
        """The domain of a name; None if the name has none."""
        return self._domain(name) if name in self._hosts or name in self._fixed else None

    def _domain(self, name: str) -> Domain:
        answers: Answers = self._hosts.get(name) or VirtualHost(name, ())
        chain = self._chain(name)
        if chain is not None and chain.table != self._key:
            answers = FixedAnswer.MISDIRECTED
        return Domain(name, answers, answers, None, is_bound=True)

    def _chain(self, name: str) -> Chain | None:
        """The chain of connections for a name, a wildcard or ANY_HOST; None if there is none."""
        chains = self._chains
        longest = (name, *wildcards_of(name), "") if name != ANY_HOST else ("",)
        return next((chains[each] for each in longest if each in chains), None)
