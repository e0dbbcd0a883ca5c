"""An annotation: grammar, scope, and effect here."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

from xds.kube.objects import ConfigMap, Secret

PREFIX: Final = "nginx.ingress.kubernetes.io/"

OWN_PREFIX: Final = "xds-ingress.dev/"
"""Of annotations that are no ingress-nginx's."""

Value = TypeVar("Value")


class InvalidValueError(ValueError):
    """A value that the grammar of its annotation does not have."""


class Scope(StrEnum):
    """The part of the traffic for which an annotation holds."""

    PATH = "path"
    """The paths of its Ingress."""
    HOST = "host"
    """The hosts of its Ingress, with the paths of other Ingresses."""


class Verdict(StrEnum):
    """How close an annotation comes to ingress-nginx."""

    EXACT = "exact"
    APPROXIMATE = "approximate"
    """As in ingress-nginx, with a difference that the annotation's `note` states."""
    NO_EFFECT = "no effect"
    """Nothing to do here: `note` says why nothing is lost."""
    REFUSED = "refused"
    """`note` says why."""
    NOT_YET = "not yet"


@dataclass(frozen=True, slots=True)
class Grammar(Generic[Value]):
    """The values of an annotation.

    Attributes:
        words: The values in words, for messages and documents.
        parse: Raises InvalidValueError for other values.
    """

    words: str
    parse: Callable[[str], Value]


@dataclass(frozen=True, slots=True)
class Annotation(Generic[Value]):
    """An annotation.

    Attributes:
        name: Without the prefix.
        family: Annotations that are documented and read together.
        grammar: The valid values.
        default: The value of an Ingress without the annotation, in words.
        scope: The part of the traffic for which the annotation holds.
        verdict: How close the annotation comes to ingress-nginx.
        note: The difference of an APPROXIMATE annotation; the reason of one that is NO_EFFECT or REFUSED.
        remedy: An alternative for a REFUSED annotation.
        protects: Whether a value asks for protection. Such a value is honoured or closes the paths in scope: traffic
            that an Ingress meant to keep out is never let in because a value is bad or the annotation unsupported.
        names: The kind of the object that a value names; None for an annotation that names none. A change of the object
            translates the Ingress anew. The grammar is `OBJECT_NAME`, or one that accepts no more.
        prefix: Of the full name.
        instead: The full names of annotations of ingress-nginx that do not count beside this one.
    """

    name: str
    family: str
    grammar: Grammar[Value]
    default: str = "none"
    scope: Scope = Scope.PATH
    verdict: Verdict = Verdict.EXACT
    note: str = ""
    remedy: str = ""
    protects: Callable[[str], bool] | None = None
    names: type[Secret] | type[ConfigMap] | None = None
    prefix: str = PREFIX
    instead: tuple[str, ...] = ()

    @property
    def full_name(self) -> str:
        return self.prefix + self.name

    @property
    def told_name(self) -> str:
        """The name in messages: in full, unless it is ingress-nginx's."""
        return self.name if self.prefix == PREFIX else self.full_name


AnyAnnotation = Annotation[Any]
