"""The domains of the route tables of bound listeners."""

from collections.abc import Iterator, Mapping

from xds.resources.domains import ANY_HOST, Domain
from xds.traffic.bound import TableKey
from xds.traffic.routes import VirtualHost


class Table:
    """A route table: the domains of its virtual hosts, and 404 for other hosts."""

    def __init__(self, tables: Mapping[TableKey, Mapping[str, VirtualHost]], key: TableKey) -> None:
        self._hosts = tables.get(key, {})

    def domains(self) -> Iterator[Domain]:
        """All domains."""
        for name in sorted({ANY_HOST, *self._hosts}):
            yield self._domain(name, self._hosts.get(name) or VirtualHost(name, ()))

    def domain(self, name: str) -> Domain | None:
        """The domain of a name; None if the name has none."""
        found = self._hosts.get(name) or (VirtualHost(name, ()) if name == ANY_HOST else None)
        return self._domain(name, found) if found else None

    @staticmethod
    def _domain(name: str, answers: VirtualHost) -> Domain:
        return Domain(name, answers, answers, None, is_bound=True)
