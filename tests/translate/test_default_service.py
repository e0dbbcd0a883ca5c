"""The Service of --default-backend, which answers where no Ingress does.

Covers: its port, Ingresses with a default backend, a Service that is missing or changes. Excludes: default backends of
Ingresses.
"""

from tests.support.objects import World, ingress, path, rule, service
from xds.kube.change import Applied, Deleted
from xds.kube.objects import Service
from xds.problems.problem import Key
from xds.problems.reasons import Reason

HOST = "a.example.com"
NAME = Key("default", "fallback")


def world(*objects: Service, default: str | None = None) -> World:
    shop = ingress("shop", rule(HOST, path("/shop")), default=default)
    return World(service("web"), shop, *objects, default_service=NAME)


def answers(given: World) -> str:
    """The backend of requests that no rule is for."""
    default = given.traffic.default
    return str(default.backend.service_key.name) if default and default.backend else ""


def test_the_first_port_of_the_service_answers_where_no_ingress_does() -> None:
    given = world(service("fallback", 8080, 9090))
    assert given.problems == []
    assert (answers(given), given.traffic.default and given.traffic.default.backend) == (
        "fallback",
        next(key for key in given.traffic.backends if key.port == 8080),
    )


def test_a_default_backend_of_an_ingress_precedes_the_service() -> None:
    assert answers(world(service("fallback"), default="web")) == "web"


def test_a_missing_service_is_a_problem_until_it_is_created() -> None:
    given = world()
    (problem,) = given.problems
    assert (problem.object.key, problem.reason, answers(given)) == (NAME, Reason.BACKEND_NOT_FOUND, "")
    given.apply(Applied(service("fallback")))
    assert (given.problems, answers(given)) == ([], "fallback")
    given.apply(Deleted(Service, NAME))
    assert answers(given) == ""
