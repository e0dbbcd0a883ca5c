"""Resources for people: selected by type and name, and as JSON without secrets."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, Final

from xds.envoyapi import codec
from xds.resources.filters.passwords import NO_USERS
from xds.snapshot.resource import Resource, ResourceType
from xds.snapshot.store import ResourceChange

REDACTED: Final = "[redacted]"

_SECRET_FIELDS: Final = frozenset(
    {"private_key", "private_key_provider", "password", "pkcs12", "session_ticket_keys", "generic_secret"}
)
"""The sensitive fields of a Secret. Source:
https://www.envoyproxy.io/docs/envoy/latest/api-v3/extensions/transport_sockets/tls/v3/secret.proto
"""

_USERS: Final = "users"
"""The field and the key of names with hashes of passwords, in the configuration of filters: see filters.passwords."""

_NO_USERS: Final = {"inline_string": NO_USERS}


class UnknownTypeError(ValueError):
    """The word names no resource type. The message lists the known types."""


def resource_type(word: str) -> ResourceType:
    """The type with this name: `cds`, `Cluster`, `envoy.config.cluster.v3.Cluster`, or the type URL, in any case.

    Raises:
        UnknownTypeError: no type has the name.
    """
    for type_ in ResourceType:
        if word.lower() in (name.lower() for name in (type_.short, kind(type_), type_.message, type_.value)):
            return type_
    known = ", ".join(f"{type_.short} ({kind(type_)})" for type_ in ResourceType)
    raise UnknownTypeError(f"{word!r} is no resource type; there are {known}")


def kind(type_: ResourceType) -> str:
    """The last part of the message's name, e.g. `Cluster`."""
    return type_.message.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Filter:
    """Selects resources. An empty tuple means all.

    Attributes:
        names: Each a pattern if it contains `*`, `?` or `[`, else a substring of the resource's name.
    """

    types: tuple[ResourceType, ...] = ()
    names: tuple[str, ...] = ()

    @classmethod
    def parse(cls, types: Iterable[str], names: Iterable[str]) -> "Filter":
        """The filter that a user typed.

        Raises:
            UnknownTypeError: a word in `types` names no type.
        """
        return cls(tuple(resource_type(word) for word in types), tuple(names))

    def matches(self, type_: ResourceType, name: str) -> bool:
        if self.types and type_ not in self.types:
            return False
        return not self.names or any(_matches(name, wanted) for wanted in self.names)

    def of(self, changes: Iterable[ResourceChange]) -> list[ResourceChange]:
        return [change for change in changes if self.matches(change.type, change.name)]


def _matches(name: str, wanted: str) -> bool:
    return fnmatchcase(name, wanted) if any(sign in wanted for sign in "*?[") else wanted in name


def content(resource: Resource) -> dict[str, Any]:
    """The resource in protobuf's JSON, with field names as in Envoy's documentation, and with `[redacted]` for secrets.

    Not for an event loop: 5,000 virtual hosts take a second.
    """
    fields: dict[str, Any] = _redacted(codec.to_dict(codec.decode(resource.type.message, resource.body)))
    return fields


def _redacted(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            key: _blank(item) if key in _SECRET_FIELDS or (key == _USERS and item != _NO_USERS) else _redacted(item)
            for key, item in value.items()
        }
    return [_redacted(item) for item in value] if isinstance(value, list) else value


def _blank(value: Any) -> Any:
    """The same structure with `[redacted]` for each value."""
    if isinstance(value, dict):
        return {key: _blank(item) for key, item in value.items()}
    return [_blank(item) for item in value] if isinstance(value, list) else REDACTED


def content_as_json(resource: Resource) -> str:
    """The content of the resource as one line of JSON."""
    return json.dumps(content(resource), ensure_ascii=False, separators=(",", ":"))
