"""What the `validate` rules in Envoy's API say of a message: Envoy refuses a resource that breaks one.

The rules are in constraints.json. Those of a message type are compiled into a check that looks at the fields that are
set, and below them only where there are rules.

Source: https://github.com/bufbuild/protoc-gen-validate/blob/main/validate/validate.proto
"""

import functools
import operator
import re
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import DecodeError

from xds.envoyapi import codec

if typing.TYPE_CHECKING:
    from betterproto2 import Message

TABLE: Final = Path(__file__).with_name("constraints.json")

_PACKED: Final = 4096
"""How many messages in Anys are remembered to be good. Most are the same in all resources."""

_SHOWN: Final = 80


class Violation(NamedTuple):
    """A rule that a field breaks: `virtual_hosts[0].routes[2].match.path`, `string.min_len: 1`, `''`."""

    path: str
    rule: str
    value: str

    def __str__(self) -> str:
        return f"{self.path}: {self.value} breaks {self.rule}"

    def below(self, outer: str) -> "Violation":
        dot = "." if self.path and not self.path.startswith("[") else ""
        return self._replace(path=f"{outer}{dot}{self.path}")


Violations: TypeAlias = Sequence[Violation]
_Check: TypeAlias = Callable[[Any], Violations]
_Rules: TypeAlias = Mapping[str, Any]
_Holds: TypeAlias = Callable[[Any], bool]

_GOOD: Final[Violations] = ()


def violations(message: "Message") -> Violations:
    """All rules that the message breaks, and what is packed into its Anys; none: Envoy takes it, as far as they go."""
    upb = codec.upb(message)
    return _plan(typing.cast("Descriptor", upb.DESCRIPTOR))(upb)


class _Table(msgspec.Struct):
    source: str
    messages: dict[str, dict[str, dict[str, Any]]]


@functools.cache
def _table() -> Mapping[str, Mapping[str, _Rules]]:
    return msgspec.json.decode(TABLE.read_bytes(), type=_Table).messages


@functools.cache
def _plan(descriptor: Descriptor) -> "_Plan":
    return _Plan(descriptor)


class _Plan:
    """The check of a message type. `needed` are the fields that must be set, each with the rule that says so.

    What looks at the fields is made when the first such message comes: types contain themselves.
    """

    def __init__(self, descriptor: Descriptor) -> None:
        self._descriptor = descriptor
        rules = _rules(descriptor)
        self._oneofs = [name.removeprefix(_ONEOF) for name in rules if name.startswith(_ONEOF)]
        self._needed = list(_needed(descriptor))
        self._checks: dict[int, tuple[str, _Check]] | None = None

    def __call__(self, message: Any) -> Violations:
        # This runs for each message of each resource: it makes nothing as long as all is well.
        checks = self._checks
        if checks is None:
            checks = self._checks = dict(_checks(self._descriptor))
        broken: Violations = _GOOD
        for field, value in message.ListFields():
            known = checks.get(field.number)
            if known is not None and (found := known[1](value)):
                broken = [*broken, *(each.below(known[0]) for each in found)]
        for name, rule, is_set in self._needed:
            if not is_set(message):
                broken = [*broken, Violation(name, rule, "unset")]
        for oneof in self._oneofs:
            if message.WhichOneof(oneof) is None:
                broken = [*broken, Violation(oneof, "required", "unset")]
        return broken


def _checks(descriptor: Descriptor) -> Iterator[tuple[int, tuple[str, _Check]]]:
    """By the numbers of the fields below which there are rules: the name, and the check of what is set."""
    rules = _rules(descriptor)
    for field in descriptor.fields:
        check = _of_field(field, rules.get(field.name, {}))
        if check is not None:
            yield field.number, (field.name, check)


def _needed(descriptor: Descriptor) -> Iterator[tuple[str, str, _Holds]]:
    """The fields that must be set, each with the rule that says so, and whether it is in a message."""
    rules = _rules(descriptor)
    for field in descriptor.fields:
        rule = _need(field, rules.get(field.name, {}))
        if rule:
            is_set = operator.methodcaller("HasField", field.name) if field.has_presence else _attribute(field.name)
            yield field.name, rule, is_set


def _attribute(name: str) -> _Holds:
    return operator.attrgetter(name)


_ONEOF: Final = "oneof "


def _rules(descriptor: Descriptor) -> Mapping[str, _Rules]:
    return _table().get(descriptor.full_name, {})


def _need(field: FieldDescriptor, rules: _Rules) -> str:
    """The rule by which the field must be set; empty if there is none."""
    for kind, each in rules.items():
        if each.get("required"):
            return "" if field.containing_oneof else f"{kind}.required"
        for size in ("min_items", "min_pairs"):
            if size in each:
                return f"{kind}.{size}: {each[size]}"
        if not field.has_presence and not each.get("ignore_empty"):
            unmet = [text for text, holds in _scalar_rules(field, kind, each) if not holds(field.default_value)]
            if unmet and not field.is_repeated:
                return unmet[0]
    return ""


@functools.cache
def _leads_to_rules(descriptor: Descriptor) -> bool:
    """Whether there are rules for such a message or for anything that it can hold."""
    seen, todo = set[str](), [descriptor]
    while todo:
        each = todo.pop()
        if _rules(each) or each.full_name == _ANY:
            return True
        if each.full_name not in seen:
            seen.add(each.full_name)
            todo += [field.message_type for field in each.fields if field.message_type]
    return False


_ANY: Final = "google.protobuf.Any"


def _of_field(field: FieldDescriptor, rules: _Rules) -> _Check | None:
    """The check of what a field holds, if it is set."""
    if field.message_type and field.message_type.GetOptions().map_entry:
        return _of_map(field.message_type, rules.get("map", {}))
    if field.is_repeated:
        return _of_list(field, rules.get("repeated", {}))
    return _of_value(field, rules)


def _of_value(field: FieldDescriptor, rules: _Rules) -> _Check | None:
    """The check of one value: a scalar, a message, an item."""
    kind = field.message_type
    scalar = [rule for name, each in rules.items() for rule in _scalar_rules(field, name, each)]
    if kind is None:
        return _scalar(scalar) if scalar else None
    if kind.full_name == _ANY:
        return _any
    if scalar:
        return _wrapped(_UNWRAPPED.get(kind.full_name, _wrapper_value), _scalar(scalar))
    return _plan(kind) if _leads_to_rules(kind) else None


def _scalar(rules: Sequence[tuple[str, _Holds]]) -> _Check:
    def check(value: Any) -> Violations:
        for text, holds in rules:
            if not holds(value):
                return [Violation("", text, _shown(value))]
        return _GOOD

    return check


def _wrapped(unwrap: Callable[[Any], Any], check: _Check) -> _Check:
    return lambda value: check(unwrap(value))


def _duration(value: Any) -> tuple[int, int]:
    return value.seconds, value.nanos


_wrapper_value: Final = operator.attrgetter("value")
_UNWRAPPED: Final = {"google.protobuf.Duration": _duration}


def _any(value: Any) -> Violations:
    return _packed(value.type_url, value.value)


@functools.lru_cache(_PACKED)
def _packed(type_url: str, body: bytes) -> Violations:
    try:
        return violations(codec.decode(type_url.rpartition("/")[2], body))
    except KeyError:
        return [Violation("", "a type that is known", repr(type_url))]
    except DecodeError:
        return [Violation("", f"a message of type {type_url}", f"{len(body)} bytes")]


def _of_list(field: FieldDescriptor, rules: _Rules) -> _Check | None:
    sizes = _scalar(list(_size_rules("repeated", rules, "min_items", "max_items")))
    item = _of_value(field, rules.get("items", {}))
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
                    broken = [*broken, *(each.below(f"[{index}]") for each in found)]
        return broken

    return check


def _of_map(entry: Descriptor, rules: _Rules) -> _Check | None:
    sizes = _scalar(list(_size_rules("map", rules, "min_pairs", "max_pairs")))
    name, value = (entry.fields_by_name[each] for each in ("key", "value"))
    of_key, of_value = _of_value(name, rules.get("keys", {})), _of_value(value, rules.get("values", {}))
    if not rules and of_value is None:
        return None

    def check(pairs: Any) -> Violations:
        broken = sizes(pairs)
        for key in pairs:
            if of_key is not None and (found := of_key(key)):
                broken = [*broken, *(each.below(f"[{key!r}]") for each in found)]
            if of_value is not None and (found := of_value(pairs[key])):
                broken = [*broken, *(each.below(f"[{key!r}]") for each in found)]
        return broken

    return check


def _size_rules(kind: str, rules: _Rules, least: str, most: str) -> Iterator[tuple[str, _Holds]]:
    if least in rules:
        yield f"{kind}.{least}: {rules[least]}", functools.partial(_at_least, rules[least])
    if most in rules:
        yield f"{kind}.{most}: {rules[most]}", functools.partial(_at_most, rules[most])


def _shown(value: Any) -> str:
    """A value as a message may show it, with nothing of what could be a key."""
    if isinstance(value, bytes) or not isinstance(value, str | int | float | tuple):
        return f"{len(value)} long"
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}… ({len(text)} characters)"


# The rules of single values.


def _scalar_rules(field: FieldDescriptor, kind: str, rules: _Rules) -> Iterator[tuple[str, _Holds]]:
    """Each rule as its text and a predicate.

    Raises:
        LookupError: nobody knows what the rule means.
    """
    if kind in {"message", "any", "repeated", "map"}:
        return
    for name, argument in rules.items():
        if name not in _MODIFIERS:
            yield f"{kind}.{name}: {argument}", _predicate(field, kind, name, rules)


_MODIFIERS: Final = {"required", "ignore_empty", "strict"}


def _predicate(field: FieldDescriptor, kind: str, name: str, rules: _Rules) -> _Holds:
    argument = rules[name]
    if kind == "duration":
        argument = _duration(_parsed(argument))
    if field.enum_type and name == "defined_only":
        holds = functools.partial(operator.contains, frozenset(field.enum_type.values_by_number))
    elif name == "well_known_regex":
        pattern = _WELL_KNOWN[argument] if rules.get("strict", True) else _NOT_STRICT
        holds = functools.partial(_matches, re.compile(pattern))
    elif name == "pattern":
        holds = functools.partial(_matches, re.compile(_python(argument)))
    else:
        holds = functools.partial(_PREDICATES[name], argument)
    return functools.partial(_empty_or, holds) if rules.get("ignore_empty") else holds


def _parsed(text: str) -> Duration:
    duration = Duration()
    duration.FromJsonString(text)
    return duration


def _python(pattern: str) -> str:
    """RE2's `$` is the end of the text alone, Python's also a last line break."""
    return pattern.removesuffix("$") + r"\Z" if pattern.endswith("$") else pattern


def _empty_or(holds: _Holds, value: Any) -> bool:
    return not value or holds(value)


def _matches(pattern: re.Pattern[str], value: str) -> bool:
    return pattern.search(value) is not None


def _at_least(least: int, value: Any) -> bool:
    return len(value) >= least


def _at_most(most: int, value: Any) -> bool:
    return len(value) <= most


# https://github.com/bufbuild/protoc-gen-validate/blob/main/README.md#well-known-formats
_WELL_KNOWN: Final = {
    "HTTP_HEADER_NAME": r"^:?[0-9a-zA-Z!#$%&'*+\-.^_|~`]+\Z",
    "HTTP_HEADER_VALUE": r"^[^\x00-\x08\x0a-\x1f\x7f]*\Z",
}
_NOT_STRICT: Final = r"^[^\x00\x0a\x0d]*\Z"

_PREDICATES: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "const": operator.eq,
    "gt": operator.lt,  # the argument comes first
    "gte": operator.le,
    "lt": operator.gt,
    "lte": operator.ge,
    "in": operator.contains,
    "not_in": lambda refused, value: value not in refused,
    "min_len": _at_least,
    "max_len": _at_most,
    "min_bytes": lambda least, value: len(_octets(value)) >= least,
    "max_bytes": lambda most, value: len(_octets(value)) <= most,
    "prefix": lambda prefix, value: value.startswith(prefix),
    "suffix": lambda suffix, value: value.endswith(suffix),
}


def _octets(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
