"""An Ingress of ingress-nginx, with the facts for verdicts and surprises."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Final, NamedTuple

from xds.kube.objects import Ingress, IngressBackend
from xds.migrate.values import Fate, bad_values, is_boolean, is_true
from xds.problems.problem import Key
from xds.translate.nginx.annotation import PREFIX
from xds.translate.nginx.rewriting import NO_REWRITING, Rewriting

NEWEST: Final = datetime.max.replace(tzinfo=UTC)


class ServicePort(NamedTuple):
    """A port of a Service as a path names the port: `80` and `http` are two, as in ingress-nginx."""

    namespace: str
    service: str
    port: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.service}:{self.port}"


class Path(NamedTuple):
    """A path of a rule.

    Attributes:
        host: In lower case; empty for a rule without host.
        text: The path; `/` for an empty one.
        path_type: Exact or Prefix, which stands for all other types.
        service: The backend; None for a backend that is no Service.
    """

    host: str
    text: str
    path_type: str
    service: ServicePort | None

    def __str__(self) -> str:
        return f"{self.host or '*'}{self.text}"


@dataclass(frozen=True, eq=False)
class Subject:
    """An Ingress of ingress-nginx.

    Attributes:
        ingress: The Ingress.
        validates: Whether ingress-nginx checks values by their grammar, as by default.
    """

    ingress: Ingress
    validates: bool = True

    @property
    def key(self) -> Key:
        return self.ingress.key

    @cached_property
    def annotations(self) -> Mapping[str, str]:
        """The annotations of ingress-nginx, by name without the prefix."""
        return {
            name.removeprefix(PREFIX): value
            for name, value in sorted(self.ingress.annotations.items())
            if name.startswith(PREFIX)
        }

    @cached_property
    def fates(self) -> Mapping[str, Fate]:
        """The effect of bad values in ingress-nginx, by annotation."""
        return {each.name: each.fate for each in bad_values(self.annotations)} if self.annotations else {}

    def text(self, name: str) -> str:
        """The value that ingress-nginx reads; empty for an absent annotation, and for a bad value."""
        return "" if name in self.fates else self.annotations.get(name, "")

    def has(self, *names: str) -> bool:
        """Whether some annotation of several has a value."""
        return any(self.annotations.get(name) for name in names)

    def is_on(self, name: str, *, default: bool = False) -> bool:
        """Whether a boolean is true."""
        value = self.annotations.get(name, "")
        return is_true(value) if is_boolean(value) else default

    @cached_property
    def created(self) -> datetime:
        created = self.ingress.metadata.creation_timestamp or NEWEST
        return created if created.tzinfo else created.replace(tzinfo=UTC)

    @cached_property
    def hosts(self) -> tuple[str, ...]:
        """The hosts of the rules, without repetition; empty for a rule without host."""
        return tuple(dict.fromkeys(rule.hostname for rule in self.ingress.spec.rules or ()))

    @cached_property
    def paths(self) -> tuple[Path, ...]:
        return tuple(
            Path(
                rule.hostname,
                path.path or "/",
                "Exact" if path.path_type == "Exact" else "Prefix",
                self._service(path.backend),
            )
            for rule in self.ingress.spec.rules or ()
            for path in rule.paths
        )

    @cached_property
    def services(self) -> tuple[ServicePort, ...]:
        """The backends of the paths, without repetition."""
        return tuple(dict.fromkeys(path.service for path in self.paths if path.service))

    @cached_property
    def is_canary(self) -> bool:
        return self.is_on("canary")

    @cached_property
    def regex_hosts(self) -> frozenset[str]:
        """The hosts with regular expressions for paths because of this Ingress."""
        asked = Rewriting(self.is_on("use-regex"), self.text("rewrite-target"))
        if self.is_canary or asked == NO_REWRITING:
            return frozenset()
        return frozenset(path.host for path in self.paths if asked.asks_for_regex(path.text, path.path_type))

    @cached_property
    def tls_hosts(self) -> frozenset[str]:
        """The hosts in TLS entries; an entry without hosts stands for the hosts of the rules."""
        return frozenset(
            host.lower() for entry in self.ingress.spec.tls or () for host in entry.hosts or self.hosts if host
        )

    def _service(self, backend: IngressBackend) -> ServicePort | None:
        named = backend.service
        return ServicePort(self.key.namespace, named.name, str(named.port)) if named else None


def covers(pattern: str, host: str) -> bool:
    """Whether a host of a TLS entry, which may be a wildcard, covers a host."""
    return pattern == host or (pattern.startswith("*.") and host.partition(".")[2] == pattern[2:])


def nginx_order(subjects: list[Subject]) -> list[Subject]:
    """Ingresses in ingress-nginx's order: the oldest first, and of one second the last by namespace and name."""
    return sorted(sorted(subjects, key=lambda each: each.key, reverse=True), key=lambda each: each.created)


def access_of(subject: Subject) -> Iterator[str]:
    """The annotations of a protection, without the prefix."""
    for name in ACCESS:
        if subject.annotations.get(name):
            yield name


ACCESS: Final = (
    "auth-secret",
    "auth-url",
    "auth-tls-secret",
    "whitelist-source-range",
    "allowlist-source-range",
    "denylist-source-range",
)
