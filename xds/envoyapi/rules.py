"""The `validate` rules of single values, each as a text and a predicate.

Source: https://github.com/bufbuild/protoc-gen-validate/blob/main/validate/validate.proto
"""

import functools
import operator
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.duration_pb2 import Duration

Rules: TypeAlias = Mapping[str, Any]
"""The rules of a field by kind (`string`, `repeated`), or those of a kind by name (`min_len`)."""

Predicate: TypeAlias = Callable[[Any], bool]

_MODIFIERS: Final = {"required", "ignore_empty", "strict"}


def scalar_rules(field: FieldDescriptor, kind: str, rules: Rules) -> Iterator[tuple[str, Predicate]]:
    """The rules of one kind for a single value of a field, e.g. `string.min_len: 1`.

    Raises:
        LookupError: a rule has no predicate here.
    """
    if kind in {"message", "any", "repeated", "map"}:
        return
    for name, argument in rules.items():
        if name not in _MODIFIERS:
            yield f"{kind}.{name}: {argument}", _predicate(field, kind, name, rules)


def size_rules(kind: str, rules: Rules, least: str, most: str) -> Iterator[tuple[str, Predicate]]:
    """The rules about the number of items, e.g. `repeated.min_items: 1`."""
    if least in rules:
        yield f"{kind}.{least}: {rules[least]}", functools.partial(_at_least, rules[least])
    if most in rules:
        yield f"{kind}.{most}: {rules[most]}", functools.partial(_at_most, rules[most])


def comparable_duration(value: Any) -> tuple[int, int]:
    return value.seconds, value.nanos


def _predicate(field: FieldDescriptor, kind: str, name: str, rules: Rules) -> Predicate:
    argument = rules[name]
    if kind == "duration":
        duration = Duration()
        duration.FromJsonString(argument)
        argument = comparable_duration(duration)
    if field.enum_type and name == "defined_only":
        holds = functools.partial(operator.contains, frozenset(field.enum_type.values_by_number))
    elif name == "well_known_regex":
        pattern = _WELL_KNOWN_REGEXES[argument] if rules.get("strict", True) else _NOT_STRICT_REGEX
        holds = functools.partial(_matches, re.compile(pattern))
    elif name == "pattern":
        holds = functools.partial(_matches, re.compile(_python_regex(argument)))
    else:
        holds = functools.partial(_PREDICATES[name], argument)
    return functools.partial(_empty_or, holds) if rules.get("ignore_empty") else holds


def _python_regex(re2: str) -> str:
    """RE2's `$` matches at the end of the text only, Python's also before a final line break."""
    return re2.removesuffix("$") + r"\Z" if re2.endswith("$") else re2


def _empty_or(holds: Predicate, value: Any) -> bool:
    return not value or holds(value)


def _matches(pattern: re.Pattern[str], value: str) -> bool:
    return pattern.search(value) is not None


def _at_least(least: int, value: Any) -> bool:
    return len(value) >= least


def _at_most(most: int, value: Any) -> bool:
    return len(value) <= most


# https://github.com/bufbuild/protoc-gen-validate/blob/main/README.md#well-known-formats
_WELL_KNOWN_REGEXES: Final = {
    "HTTP_HEADER_NAME": r"^:?[0-9a-zA-Z!#$%&'*+\-.^_|~`]+\Z",
    "HTTP_HEADER_VALUE": r"^[^\x00-\x08\x0a-\x1f\x7f]*\Z",
}
_NOT_STRICT_REGEX: Final = r"^[^\x00\x0a\x0d]*\Z"

_PREDICATES: Final[Mapping[str, Callable[[Any, Any], bool]]] = {
    "const": operator.eq,
    "gt": operator.lt,  # the rule's argument is the first operand
    "gte": operator.le,
    "lt": operator.gt,
    "lte": operator.ge,
    "in": operator.contains,
    "not_in": lambda excluded, value: value not in excluded,
    "min_len": _at_least,
    "max_len": _at_most,
    "min_bytes": lambda least, value: len(_octets(value)) >= least,
    "max_bytes": lambda most, value: len(_octets(value)) <= most,
    "prefix": lambda prefix, value: value.startswith(prefix),
    "suffix": lambda suffix, value: value.endswith(suffix),
}


def _octets(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else value
