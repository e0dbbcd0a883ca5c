"""Grammars of values that several annotations share.

Source: https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/internal/ingress/annotations/parser
"""

import re
from dataclasses import dataclass
from typing import Final

from xds.problems.problem import Key
from xds.translate.names import is_label, is_subdomain
from xds.translate.nginx.annotation import Grammar, InvalidValueError

_BOOLEANS: Final = {
    **dict.fromkeys(("1", "t", "T", "TRUE", "true", "True"), True),
    **dict.fromkeys(("0", "f", "F", "FALSE", "false", "False"), False),
}
"""Source: https://pkg.go.dev/strconv#ParseBool"""

_INTEGER: Final = re.compile(r"([+-]?)0*([0-9]+)")
_ZERO: Final = re.compile(r"[+-]?0+")
_MAX_INTEGER: Final = 2**31 - 1
_MAX_DIGITS: Final = len(str(_MAX_INTEGER))

MAX_CHARACTERS: Final = 2048
"""Bounds the routes of an Ingress, each of which holds the text. Browsers take longer URLs, but few servers do."""

_SIZE: Final = re.compile(r"([0-9]+)([bkmg]?)", re.IGNORECASE)
_UNITS: Final = {"": 1, "b": 1, "k": 2**10, "m": 2**20, "g": 2**30}


def _boolean(value: str) -> bool:
    if value not in _BOOLEANS:
        raise InvalidValueError
    return _BOOLEANS[value]


def _integer(value: str) -> int:
    matched = _INTEGER.fullmatch(value)
    # Python takes numbers of thousands of digits for an error.
    if matched is None or len(matched[2]) > _MAX_DIGITS or int(matched[2]) > _MAX_INTEGER:
        raise InvalidValueError
    return int(matched[1] + matched[2])


def _natural(value: str) -> int:
    number = _integer(value)
    if number < 0:
        raise InvalidValueError
    return number


def is_zero(value: str | None) -> bool:
    """Whether a number of seconds is 0, which is valid in ingress-nginx, and fails each request."""
    return value is not None and _ZERO.fullmatch(value) is not None


def _seconds(value: str) -> int:
    if not (number := _natural(value)):
        raise InvalidValueError
    return number


def _size(value: str) -> int:
    matched = _SIZE.fullmatch(value.replace(" ", ""))
    if matched is None or len(matched[1]) > 18:
        raise InvalidValueError
    return int(matched[1]) * _UNITS[matched[2].lower()]


def _anything(value: str) -> str:
    return value


def matching(words: str, pattern: str) -> Grammar[str]:
    """Text that a regular expression matches as a whole, after blanks at both ends were removed."""
    compiled = re.compile(pattern)

    def parse(value: str) -> str:
        text = value.strip(" ")
        if len(text) > MAX_CHARACTERS:
            raise InvalidValueError(f"it has more than {MAX_CHARACTERS} characters")
        if not compiled.fullmatch(text):
            raise InvalidValueError
        return text

    return Grammar(words, parse)


def one_of(*words: str) -> Grammar[str]:
    """One of several words; blanks around the word are ignored."""

    def parse(value: str) -> str:
        if (word := value.strip(" ")) not in words:
            raise InvalidValueError
        return word

    return Grammar(" or ".join(words), parse)


def _object_name(value: str) -> Key:
    """A name with a namespace, as ingress-nginx demands.

    Source: https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/internal/k8s/main.go
    """
    namespace, _, name = value.strip(" ").partition("/")
    if not is_label(namespace) or not is_subdomain(name):
        raise InvalidValueError
    return Key(namespace, name)


@dataclass(frozen=True, slots=True)
class NearName:
    """The name of an object, with or without a namespace.

    Attributes:
        namespace: Empty: that of the Ingress.
        name: Of the object.
    """

    namespace: str
    name: str

    def key_in(self, namespace: str) -> Key:
        """The object that an Ingress of the namespace means."""
        return Key(self.namespace or namespace, self.name)


def _near_name(value: str) -> NearName:
    namespace, slash, name = value.strip(" ").rpartition("/")
    if not is_subdomain(name) or (slash and not is_label(namespace)):
        raise InvalidValueError
    return NearName(namespace, name)


def unless_false(value: str) -> bool:
    """For protections that a boolean switches on: a value that is no boolean closes, an empty one doesn't."""
    return bool(value.strip()) and _BOOLEANS.get(value.strip(), True)


def always(value: str) -> bool:
    """For annotations that protect whatever their value: a bad or empty value closes."""
    del value
    return True


BOOLEAN: Final = Grammar("true or false", _boolean)
INTEGER: Final = Grammar("a whole number", _integer)
NATURAL: Final = Grammar("a whole number from 0 on, without a unit", _natural)
SECONDS: Final = Grammar("a whole number of seconds from 1 on, without a unit", _seconds)
SIZE: Final = Grammar("a number of bytes, or a number with k, m or g", _size)
OBJECT_NAME: Final = Grammar("the name of an object with its namespace, NAMESPACE/NAME", _object_name)
NEAR_NAME: Final = Grammar("the name of an object, NAME or NAMESPACE/NAME", _near_name)
ANYTHING: Final = Grammar("any text", _anything)
