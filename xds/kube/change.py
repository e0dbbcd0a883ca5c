"""Changes: the messages from a source to `KubeState`."""

from dataclasses import dataclass
from typing import TypeAlias

from xds.kube.objects import KubeObject
from xds.problems.problem import Key, Problem


@dataclass(frozen=True, slots=True)
class Applied:
    """The object was created or replaced, or belongs to the first list."""

    object: KubeObject


@dataclass(frozen=True, slots=True)
class Deleted:
    """The object was deleted. After a list, a source also reports objects that vanished unseen."""

    kind: type[KubeObject]
    key: Key


@dataclass(frozen=True, slots=True)
class Listed:
    """The first list of the kind is complete. Before every kind is listed, nothing is served."""

    kind: type[KubeObject]


@dataclass(frozen=True, slots=True)
class Reported:
    """The source's own problems, a file that doesn't parse for example. Replaces the source's last report."""

    problems: tuple[Problem, ...]


Change: TypeAlias = Applied | Deleted | Listed | Reported


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes that were read together.

    Attributes:
        changes: In order.
        read_at: Seconds of the event loop's clock (monotonic).
    """

    changes: tuple[Change, ...]
    read_at: float
