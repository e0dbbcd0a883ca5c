"""The `validate` rules of Envoy's API, checked before Envoy does: Envoy rejects a resource that breaks one.

The rules are in constraints.json. The rules of a message type are compiled into a check, which looks at the fields
that are set, and descends only into fields that lead to rules.

Source: https://github.com/bufbuild/protoc-gen-validate/blob/main/validate/validate.proto
"""

import functools
import operator
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import DecodeError

from xds.envoyapi import codec
from xds.envoyapi.rules import Predicate, Rules, comparable_duration, scalar_rules, size_rules

if typing.TYPE_CHECKING:
    from betterproto2 import Message

TABLE_PATH: Final = Path(__file__).with_name("constraints.json")

_CACHED_ANYS: Final = 4096
"""Checked Anys whose result is remembered, at most. Most Anys are the same in all resources."""

_SHOWN_CHARACTERS: Final = 80

_ONEOF: Final = "oneof "
_ANY: Final = "google.protobuf.Any"


class Violation(NamedTuple):
    """A rule that a field breaks.

    Attributes:
        path: Of the field, e.g. `virtual_hosts[0].routes[2].match.path`.
        rule: E.g. `string.min_len: 1`.
        value: As a message may show it, e.g. `''`.
    """

    path: str
    rule: str
    value: str

    def __str__(self) -> str:
        return f"{self.path}: {self.value} breaks {self.rule}"

    def within(self, outer: str) -> "Violation":
        dot = "." if self.path and not self.path.startswith("[") else ""
        return self._replace(path=f"{outer}{dot}{self.path}")


Violations: TypeAlias = Sequence[Violation]
_Check: TypeAlias = Callable[[Any], Violations]

_NONE: Final[Violations] = ()


def violations(message: "Message") -> Violations:
    """All rules that the message, or a message packed into its Anys, breaks."""
    upb = codec.upb(message)
    return _message_check(typing.cast("Descriptor", upb.DESCRIPTOR))(upb)


class _Table(msgspec.Struct):
    """constraints.json: rules by message, field and kind."""

    source: str
    messages: dict[str, dict[str, dict[str, Any]]]


@functools.cache
def _table() -> Mapping[str, Mapping[str, Rules]]:
    return msgspec.json.decode(TABLE_PATH.read_bytes(), type=_Table).messages


def _rules_of(descriptor: Descriptor) -> Mapping[str, Rules]:
    return _table().get(descriptor.full_name, {})


@functools.cache
def _message_check(descriptor: Descriptor) -> "_MessageCheck":
    return _MessageCheck(descriptor)


class _MessageCheck:
    """The check of a message type.

    The checks of fields are compiled when the first message of the type comes: a type can contain itself.
    """

    def __init__(self, descriptor: Descriptor) -> None:
        self._descriptor = descriptor
        self._oneofs = [name.removeprefix(_ONEOF) for name in _rules_of(descriptor) if name.startswith(_ONEOF)]
        self._required = list(_required_fields(descriptor))
        self._field_checks: dict[int, tuple[str, _Check]] | None = None

    def __call__(self, message: Any) -> Violations:
        # Runs for each message of each resource, so a good message allocates nothing.
        checks = self._field_checks
        if checks is None:
            checks = self._field_checks = dict(_field_checks(self._descriptor))
        broken: Violations = _NONE
        for field, value in message.ListFields():
            known = checks.get(field.number)
            if known is not None and (found := known[1](value)):
                broken = [*broken, *(each.within(known[0]) for each in found)]
        for name, rule, is_set in self._required:
            if not is_set(message):
                broken = [*broken, Violation(name, rule, "unset")]
        for oneof in self._oneofs:
            if message.WhichOneof(oneof) is None:
                broken = [*broken, Violation(oneof, "required", "unset")]
        return broken


# Fields that must be set.


def _required_fields(descriptor: Descriptor) -> Iterator[tuple[str, str, Predicate]]:
    """Name, rule and presence test of each field that must be set."""
    rules = _rules_of(descriptor)
    for field in descriptor.fields:
        rule = _presence_rule(field, rules.get(field.name, {}))
        if rule:
            yield field.name, rule, _presence_test(field)


def _presence_test(field: FieldDescriptor) -> Predicate:
    return operator.methodcaller("HasField", field.name) if field.has_presence else operator.attrgetter(field.name)


def _presence_rule(field: FieldDescriptor, rules: Rules) -> str:
    """The rule that an unset field breaks; empty if none."""
    for kind, each in rules.items():
        if each.get("required"):
            return "" if field.containing_oneof else f"{kind}.required"
        for size in ("min_items", "min_pairs"):
            if size in each:
                return f"{kind}.{size}: {each[size]}"
        if not field.has_presence and not each.get("ignore_empty"):
            unmet = [text for text, holds in scalar_rules(field, kind, each) if not holds(field.default_value)]
            if unmet and not field.is_repeated:
                return unmet[0]
    return ""


# Checks of fields that are set.


def _field_checks(descriptor: Descriptor) -> Iterator[tuple[int, tuple[str, _Check]]]:
    """Name and check by number, of the fields that lead to rules."""
    rules = _rules_of(descriptor)
    for field in descriptor.fields:
        check = _field_check(field, rules.get(field.name, {}))
        if check is not None:
            yield field.number, (field.name, check)


def _field_check(field: FieldDescriptor, rules: Rules) -> _Check | None:
    """The check of a field's content; None if no rule applies."""
    if field.message_type and field.message_type.GetOptions().map_entry:
        return _map_check(field.message_type, rules.get("map", {}))
    if field.is_repeated:
        return _list_check(field, rules.get("repeated", {}))
    return _value_check(field, rules)


def _value_check(field: FieldDescriptor, rules: Rules) -> _Check | None:
    """The check of a single value: a scalar, a message, an item of a list."""
    kind = field.message_type
    scalar = [rule for name, each in rules.items() for rule in scalar_rules(field, name, each)]
    if kind is None:
        return _scalar_check(scalar) if scalar else None
    if kind.full_name == _ANY:
        return _check_any
    if scalar:
        unwrap = comparable_duration if kind.full_name == "google.protobuf.Duration" else operator.attrgetter("value")
        check = _scalar_check(scalar)
        return lambda value: check(unwrap(value))
    return _message_check(kind) if _leads_to_rules(kind) else None


@functools.cache
def _leads_to_rules(descriptor: Descriptor) -> bool:
    """Whether rules exist for the message or for any message below it."""
    seen, todo = set[str](), [descriptor]
    while todo:
        each = todo.pop()
        if _rules_of(each) or each.full_name == _ANY:
            return True
        if each.full_name not in seen:
            seen.add(each.full_name)
            todo += [field.message_type for field in each.fields if field.message_type]
    return False


def _scalar_check(rules: Sequence[tuple[str, Predicate]]) -> _Check:
    def check(value: Any) -> Violations:
        for text, holds in rules:
            if not holds(value):
                return [Violation("", text, _shown(value))]
        return _NONE

    return check


def _check_any(value: Any) -> Violations:
    if not (value.type_url or value.value):  # in a FilterConfig: the filter runs with the configuration of its chain
        return _NONE
    return _check_packed(value.type_url, value.value)


@functools.lru_cache(_CACHED_ANYS)
def _check_packed(type_url: str, body: bytes) -> Violations:
    if not type_url and not body:  # the chain's configuration, for a filter that a route switches on
        return ()
    try:
        return violations(codec.decode(type_url.rpartition("/")[2], body))
    except KeyError:
        return [Violation("", "a type that is known", repr(type_url))]
    except DecodeError:
        return [Violation("", f"a message of type {type_url}", f"{len(body)} bytes")]


def _list_check(field: FieldDescriptor, rules: Rules) -> _Check | None:
    sizes = _scalar_check(list(size_rules("repeated", rules, "min_items", "max_items")))
    item = _value_check(field, rules.get("items", {}))
    unique = bool(rules.get("unique"))
    if item is None and not rules:
        return None

    def check(values: Any) -> Violations:
        broken = sizes(values)
        if unique and len(set(values)) < len(values):
            broken = [*broken, Violation("", "repeated.unique", f"{len(values)} items")]
        if item is not None:
            for index, value in enumerate(values):
                if found := item(value):
                    broken = [*broken, *(each.within(f"[{index}]") for each in found)]
        return broken

    return check


def _map_check(entry: Descriptor, rules: Rules) -> _Check | None:
    sizes = _scalar_check(list(size_rules("map", rules, "min_pairs", "max_pairs")))
    key_check = _value_check(entry.fields_by_name["key"], rules.get("keys", {}))
    value_check = _value_check(entry.fields_by_name["value"], rules.get("values", {}))
    if not rules and value_check is None:
        return None

    def check(pairs: Any) -> Violations:
        broken = sizes(pairs)
        for key in pairs:
            if key_check is not None and (found := key_check(key)):
                broken = [*broken, *(each.within(f"[{key!r}]") for each in found)]
            if value_check is not None and (found := value_check(pairs[key])):
                broken = [*broken, *(each.within(f"[{key!r}]") for each in found)]
        return broken

    return check


def _shown(value: Any) -> str:
    """A value as a message may show it, without bytes, which could be a private key."""
    if isinstance(value, bytes) or not isinstance(value, str | int | float | tuple):
        return f"{len(value)} long"
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}… ({len(text)} characters)"
