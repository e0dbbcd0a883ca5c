"""The scopes of watches: paths, namespaces, selectors, and the command that grants a right."""

from xds.kube.objects import ConfigMap, EndpointSlice, Ingress, IngressClass, Secret, Service
from xds.problems.problem import Key
from xds.sources.apiserver.scope import SECRETS_SELECTOR, Scope, scopes


def test_all_namespaces_take_a_single_watch_for_each_kind() -> None:
    assert [scope.path for scope in scopes((), Key("any", "s"))] == [
        "/apis/networking.k8s.io/v1/ingressclasses",
        "/apis/networking.k8s.io/v1/ingresses",
        "/api/v1/services",
        "/apis/discovery.k8s.io/v1/endpointslices",
        "/api/v1/secrets",
    ]


def test_each_namespace_takes_a_watch_for_each_kind() -> None:
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


def test_the_grant_names_role_namespace_and_user() -> None:
    message = 'secrets is forbidden: User "someone" cannot list resource "secrets" in namespace "a"'
    assert Scope(Secret, "a").grant(message) == (
        "kubectl create role xds-ingress-secrets -n a --verb=list,watch --resource=secrets && "
        "kubectl create rolebinding xds-ingress-secrets -n a --role=xds-ingress-secrets --user=someone"
    )


def test_the_grant_for_one_object_names_the_object() -> None:
    assert (
        Scope(ConfigMap)
        .of(Key("a", "headers"))
        .grant('User "someone" cannot list')
        .startswith(
            "kubectl create role xds-ingress-configmaps-headers -n a --verb=list,watch --resource=configmaps "
            "--resource-name=headers && "
        )
    )


def test_the_grant_leaves_an_unknown_user_open() -> None:
    assert Scope(Service).grant("no").endswith("--user=USER")
