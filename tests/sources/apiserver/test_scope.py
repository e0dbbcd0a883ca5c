"""What is watched where, and how one is allowed to."""

from xds.kube.objects import EndpointSlice, Ingress, IngressClass, Secret, Service
from xds.problems.problem import Key
from xds.sources.apiserver.scope import SECRETS_SELECTOR, Scope, scopes


def test_all_namespaces_take_one_watch_a_kind() -> None:
    assert [scope.path for scope in scopes((), Key("any", "s"))] == [
        "/apis/networking.k8s.io/v1/ingressclasses",
        "/apis/networking.k8s.io/v1/ingresses",
        "/api/v1/services",
        "/apis/discovery.k8s.io/v1/endpointslices",
        "/api/v1/secrets",
    ]


def test_namespaces_take_one_watch_a_kind_each() -> None:
    found = scopes(("b", "a", "b"), None)
    assert found[0] == Scope(IngressClass)
    assert found[1:5] == [
        Scope(Ingress, "a"),
        Scope(Service, "a"),
        Scope(EndpointSlice, "a"),
        Scope(Secret, "a", SECRETS_SELECTOR),
    ]
    assert {scope.namespace for scope in found[5:]} == {"b"}


def test_the_default_secret_of_another_namespace_is_watched_alone() -> None:
    assert scopes(("a",), Key("b", "s"))[-1] == Scope(Secret, "b", "metadata.name=s")
    assert scopes(("a",), Key("a", "s")) == scopes(("a",), None)


def test_how_to_allow_it_in_one_namespace() -> None:
    message = 'secrets is forbidden: User "someone" cannot list resource "secrets" in namespace "a"'
    assert Scope(Secret, "a").grant(message) == (
        "kubectl create role xds-ingress-secrets -n a --verb=list,watch --resource=secrets && "
        "kubectl create rolebinding xds-ingress-secrets -n a --role=xds-ingress-secrets --user=someone"
    )


def test_whom_to_allow_it_is_left_open_if_the_api_server_does_not_say() -> None:
    assert Scope(Service).grant("no").endswith("--user=USER")
