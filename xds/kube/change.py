"""What a source says: the only way in which `KubeState` learns anything."""

from dataclasses import dataclass
from typing import TypeAlias

from xds.kube.objects import KubeObject
from xds.problems.problem import Key, Problem


@dataclass(frozen=True, slots=True)
class Applied:
    """The object exists, and this is how it looks now."""

    object: KubeObject


@dataclass(frozen=True, slots=True)
class Deleted:
    """The object exists no more. After a list, a source says this of what vanished meanwhile."""

    kind: type[KubeObject]
    key: Key


@dataclass(frozen=True, slots=True)
class Listed:
    """Every object of the kind that existed has been said. Until each kind is listed, nothing is served."""

    kind: type[KubeObject]


@dataclass(frozen=True, slots=True)
class Reported:
    """What the source itself could not honour (a file that doesn't parse, say); replaces its last report."""

    problems: tuple[Problem, ...]


Change: TypeAlias = Applied | Deleted | Listed | Reported


@dataclass(frozen=True, slots=True)
class Batch:
    """Changes that were read together. `read_at` is in seconds of the event loop's clock (monotonic)."""

    changes: tuple[Change, ...]
    read_at: float
