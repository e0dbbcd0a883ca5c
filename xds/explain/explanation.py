"""The answer to a request in words: the outcome, and a step for each decision."""

from dataclasses import dataclass

from xds.problems.problem import ObjectRef, Problem
from xds.snapshot.resource import Resource
from xds.traffic.backends import Backend
from xds.traffic.routes import PathType, Route


def path_type_word(route: Route) -> str:
    """The type of a path, in the word of the kind of object that asks for the route."""
    is_prefix = route.path_type is PathType.PREFIX and route.origin.object.kind != "Ingress"
    return "PathPrefix" if is_prefix else str(route.path_type)


@dataclass(frozen=True, slots=True)
class NarratedRoute:
    """A route, whether it is taken, and why."""

    route: Route
    taken: bool
    why: str


@dataclass(frozen=True, slots=True)
class ExplainStep:
    """A decision in words.

    Attributes:
        title: The subject of the decision, e.g. `virtual host`.
        text: The decision.
        objects: The Kubernetes objects behind the decision.
        routes: The routes in the order of trial, for the step `path`.
    """

    title: str
    text: str
    objects: tuple[ObjectRef, ...] = ()
    routes: tuple[NarratedRoute, ...] = ()


@dataclass(frozen=True, slots=True)
class RequestExplanation:
    """The answer to a request, and the reasons.

    Attributes:
        status: 200 if a backend answers, with any status; 0 if the connection is closed.
        outcome: The answer in words.
        location: The target of a redirect; else empty.
        backend: The backend that answers; None if none does.
        steps: The decisions, in order.
        problems: Problems that can have to do with the answer.
        resources: Resources that a proxy needs for the answer.
    """

    status: int
    outcome: str
    location: str
    backend: Backend | None
    steps: tuple[ExplainStep, ...]
    problems: tuple[Problem, ...]
    resources: tuple[Resource, ...]
