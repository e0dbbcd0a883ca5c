"""Grammars of the ConfigMap's values that annotations don't have."""

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Final, TypeVar

from xds.translate.nginx import networks
from xds.translate.nginx.annotation import Grammar, InvalidValueError
from xds.translate.nginx.grammars import NATURAL

_TIME: Final = re.compile(r"([0-9]{1,9})(ms|[smhd]?)")
_UNITS: Final = {
    "ms": timedelta(milliseconds=1),
    "": timedelta(seconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
}
_LONGEST: Final = timedelta(days=365)

_HEADER: Final = re.compile(r"[A-Za-z0-9_-]{1,256}")
_MEDIA_TYPE: Final = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+*-]+")
_MAX_ELEMENTS: Final = 1000

MAX_BYTES: Final = 2**20
"""Of a ConfigMap: https://kubernetes.io/docs/concepts/configuration/configmap/#motivation"""

_Item = TypeVar("_Item")


def _duration(value: str) -> timedelta:
    matched = _TIME.fullmatch(value)
    if matched is None:
        raise InvalidValueError
    return min(int(matched[1]) * _UNITS[matched[2]], _LONGEST)


def _seconds(value: str) -> timedelta:
    return min(timedelta(seconds=NATURAL.parse(value)), _LONGEST)


def network(text: str) -> str:
    """A network in CIDR notation, of an address or a network with or without host bits."""
    return str(networks.network(text))


def header(text: str) -> str:
    """The name of a header in lower case."""
    if not _HEADER.fullmatch(text):
        raise InvalidValueError(f"{text[:60]!r} is none")
    return text.lower()


def media_type(text: str) -> str:
    if text != "*" and not _MEDIA_TYPE.fullmatch(text):
        raise InvalidValueError(f"{text[:60]!r} is none")
    return text


def list_of(
    words: str, item: Callable[[str], _Item], separator: str = ",", most: int = _MAX_ELEMENTS
) -> Grammar[tuple[_Item, ...]]:
    """A list. A bad element, or one more than the most, spoils all of it."""

    def parse(value: str) -> tuple[_Item, ...]:
        texts = [text.strip() for text in value.split(separator)]
        if len(texts) > most:
            raise InvalidValueError(f"it has more than {most} elements")
        return tuple(dict.fromkeys(item(text) for text in texts if text))

    return Grammar(words, parse)


def _text(value: str) -> str:
    return value


def texts(words: str) -> Grammar[tuple[str, ...]]:
    """A list that decides over clients, read element by element. A ConfigMap's own bound of 1 MiB is the only one."""
    return list_of(words, _text, most=MAX_BYTES)


def number(lowest: int, highest: int) -> Grammar[int]:
    """A whole number within bounds."""

    def parse(value: str) -> int:
        if not lowest <= (found := NATURAL.parse(value)) <= highest:
            raise InvalidValueError
        return found

    return Grammar(f"a whole number from {lowest} to {highest}", parse)


DURATION: Final = Grammar("a number with ms, s, m, h or d; without a unit, of seconds", _duration)
SECONDS: Final = Grammar("a whole number of seconds, without a unit", _seconds)
NETWORKS: Final = texts("a list of addresses and networks, with commas between")
HEADERS: Final = list_of("a list of header names, with commas between", header)
PATHS: Final = list_of("a list of paths, with commas between", _text)
