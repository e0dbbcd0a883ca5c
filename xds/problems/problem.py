"""Bad input as a value: made in the pure stages, shown by the edges."""

from dataclasses import dataclass
from typing import NamedTuple


class Key(NamedTuple):
    """Names an object within its kind. `namespace` is empty for cluster-scoped kinds."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}" if self.namespace else self.name


@dataclass(frozen=True, slots=True, order=True)
class ObjectRef:
    """Names a Kubernetes object; with kind `File`, a file of the source folder."""

    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Something that could not be honoured, of which object, why, and what to do.

    `reason` is one CamelCase word, fit for a Kubernetes Event and a metric's label; `field` is the path in the object,
    as `kubectl explain` writes it; `location` is `FILE:LINE` where the object comes from a folder.
    """

    object: ObjectRef
    reason: str
    message: str
    remedy: str
    field: str = ""
    location: str = ""


def shown(text: str) -> str:
    """A user's text as a message may show it: quoted, not too long, and what a terminal could act on escaped.

    That is all but printable characters (https://docs.python.org/3/library/stdtypes.html#str.isprintable), so also
    what turns the direction of text. The ellipsis of a cut text stands outside the quotes: it isn't the user's.
    """
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}…"


_SHOWN = 80
