"""load-balance: the choice of an endpoint."""

from dataclasses import dataclass
from typing import Final

from xds.traffic.hashing import HashKey, HashPart
from xds.traffic.upstream import Balancing
from xds.translate.nginx import load_balancing
from xds.translate.nginx.annotation import OWN_PREFIX, Annotation, Grammar, InvalidValueError
from xds.translate.nginx.reader import AnnotationReader

_PLAIN: Final = {
    "round-robin": Balancing.ROUND_ROBIN,
    "least-request": Balancing.LEAST_REQUEST,
    "random": Balancing.RANDOM,
}
_RING_HASH: Final = "ring-hash:"
_SOURCES: Final = {
    "client-address": HashPart.CLIENT_ADDRESS,
    "host": HashPart.HOST,
    "path": HashPart.PATH,
}
_NAMED_SOURCES: Final = {
    "header=": HashPart.HEADER,
    "cookie=": HashPart.COOKIE,
    "query=": HashPart.QUERY_PARAMETER,
}
_NAME_CHARACTERS: Final = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")


@dataclass(frozen=True, slots=True)
class ChosenBalancing:
    """A balancing with the keys of requests to balance by."""

    balancing: Balancing
    hash_keys: tuple[HashKey, ...] = ()


def _balancing(text: str) -> ChosenBalancing:
    word = text.strip()
    if word in _PLAIN:
        return ChosenBalancing(_PLAIN[word])
    if word.startswith(_RING_HASH):
        return ChosenBalancing(Balancing.HASH, (_source(word.removeprefix(_RING_HASH)),))
    raise InvalidValueError


def _source(word: str) -> HashKey:
    if word in _SOURCES:
        return HashKey(_SOURCES[word])
    for prefix, part in _NAMED_SOURCES.items():
        name = word.removeprefix(prefix)
        if name and name != word and _NAME_CHARACTERS.issuperset(name) and len(name) <= 256:
            return HashKey(part, name.lower() if part is HashPart.HEADER else name)
    raise InvalidValueError


LOAD_BALANCE: Final = Annotation(
    "load-balance",
    "load balancing",
    Grammar(
        "round-robin, least-request, random, or ring-hash: with client-address, host, path, header=NAME, cookie=NAME "
        "or query=NAME",
        _balancing,
    ),
    "round-robin",
    prefix=OWN_PREFIX,
    instead=tuple(each.full_name for each in (load_balancing.LOAD_BALANCE, load_balancing.HASH_BY)),
)
ANNOTATIONS: Final = (LOAD_BALANCE,)


def read(reader: AnnotationReader) -> ChosenBalancing | None:
    """The balancing; None where the annotation doesn't decide."""
    return reader.get(LOAD_BALANCE)
