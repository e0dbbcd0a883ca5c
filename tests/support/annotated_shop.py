"""An Ingress `shop` with one path and annotations, and the policy that these ask for."""

from typing import Final

from tests.support.objects import World, ingress, path, rule, service
from tests.support.route_table_annotations import annotated
from xds.kube.objects import Ingress
from xds.problems.reasons import Reason
from xds.traffic.policy import Policy

HOST: Final = "a.example.com"


def shop(values: dict[str, str]) -> Ingress:
    return ingress("shop", rule(HOST, path("/")), annotations=annotated(**values))


def policy(**values: str) -> Policy:
    (route,) = World(service("web"), shop(values)).traffic.hosts[HOST].routes
    return route.policy


def compatible_policy(**values: str) -> Policy:
    """The policy with --compatibility ingress-nginx."""
    (route,) = World(service("web"), shop(values), is_compatible=True).traffic.hosts[HOST].routes
    return route.policy


def reasons(**values: str) -> list[Reason]:
    return [each.reason for each in World(service("web"), shop(values)).problems]
