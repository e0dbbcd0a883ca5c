"""Hosts that no authorizer may have, however they are written. Excludes: answers (tests/e2e/test_authorizers)."""

import pytest

from tests.support.objects import World, ingress, path, rule, service
from tests.support.route_table_annotations import annotated
from xds.traffic.actions import Closed
from xds.traffic.routes import Route


def route(url: str, host: str = "shop.test", **others: str) -> Route:
    shop = ingress("shop", rule(host, path("/")), annotations=annotated(auth_url=url, **others))
    (found,) = World(service("web"), service("web", ns="other"), shop).traffic.hosts[host].routes
    return found


@pytest.mark.parametrize(
    "host",
    [
        "kubernetes.default",
        "KUBERNETES.default.svc.",
        "10-0-0-1.kubernetes.default.svc.cluster.local",
        "kubernetes.kubernetes.default.svc",
        "127-0-0-1.default.pod.cluster.local",
        "169-254-169-254.default.pod",
    ],
)
def test_paths_with_an_authorizer_out_of_reach_are_closed(host: str) -> None:
    assert isinstance(route(f"http://{host}/").action, Closed)


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "metadata.google.internal",
        "kubernetes.default.svc.cluster.local",
        "10-0-0-1.kubernetes.default.svc",
        "127-0-0-1.default.pod.cluster.local",
        "127.1.a.1",
        "one-label",
    ],
)
@pytest.mark.parametrize("variable", ["$host", "$http_host", "$best_http_host"])
def test_a_host_of_rules_leads_no_question_out_of_reach(variable: str, host: str) -> None:
    """Anybody may write such a host into a rule, and the port of Envoy's admin interface into the URL."""
    access = route(f"http://{variable}:9901/quitquitquit", host, auth_method="POST").policy.access
    assert access is not None
    assert access.authorizer is not None
    assert access.authorizer.backend is None


def test_endpoints_of_another_namespace_are_not_asked_by_methods_that_change_things() -> None:
    url = "http://web-0.web.other.svc.cluster.local/"
    assert isinstance(route(url, auth_method="DELETE").action, Closed)
    assert not isinstance(route(url).action, Closed)
