"""auth-type, auth-secret, auth-secret-type and auth-realm: passwords, and when the paths are closed.

Covers: both forms of a Secret, realms, bad values, Secrets that come and go, `xds authz` or none, no-auth-locations,
redirects and default backends. Excludes: password files (test_htpasswd.py), answers (tests/e2e/test_passwords.py).
"""

import pytest

from tests.support.objects import World, config_map, ingress, key, password_file, password_map, path, rule, service
from tests.support.route_table_annotations import annotated
from tests.translate.nginx.test_htpasswd import BCRYPT, SHA
from xds.kube.change import Deleted
from xds.kube.objects import KubeObject, Secret
from xds.problems.problem import Key
from xds.traffic.access import Access, Passwords
from xds.traffic.actions import Closed
from xds.traffic.routes import Route
from xds.translate.nginx.htpasswd import MAX_FILE_BYTES, MAX_USERS

HOST = "a.test"
SHOP = Key("default", "shop")
CHALLENGE = "/.well-known/acme-challenge"
FILE = password_file(f"u:{SHA}\n")
CONFIG = Key("ingress-nginx", "controller")


def world(
    *objects: KubeObject, has_authz: bool = False, allow_cross_namespace: bool = False, **annotations: str
) -> World:
    shop = ingress("shop", rule(HOST, path("/")), default="web", annotations=annotated(**annotations))
    return World(service("web"), shop, *objects, has_authz=has_authz, allow_cross_namespace=allow_cross_namespace)


def routes(given: World) -> list[Route]:
    host = given.traffic.hosts[HOST]
    return [each for each in (*host.routes, host.default, given.traffic.default) if each]


def passwords(given: World) -> Passwords | None:
    """The passwords of all routes; None for closed paths."""
    found = {_passwords(each) for each in routes(given)}
    assert len(found) == 1
    return found.pop()


def _passwords(route: Route) -> Passwords | None:
    if isinstance(route.action, Closed):
        return None
    assert route.policy.access, "an open route"
    assert route.policy.access.passwords, "an open route"
    return route.policy.access.passwords


def test_passwords_are_those_of_the_secret_as_it_is_now() -> None:
    given = world(FILE, auth_type="basic", auth_secret="users", auth_realm="my realm")
    assert passwords(given) == Passwords("my realm", (("u", SHA),), SHOP, by_authz=False)
    assert not given.problems
    given.add(password_file(f"v:{SHA}\n"))
    assert passwords(given) == Passwords("my realm", (("v", SHA),), SHOP, by_authz=False)
    given.apply(Deleted(Secret, key("users")))
    assert passwords(given) is None
    given.add(password_file(""))
    assert passwords(given) == Passwords("my realm", (), SHOP, by_authz=False)


def test_a_secret_has_a_file_or_a_key_for_each_user() -> None:
    file = world(FILE, auth_type="basic", auth_secret="default/users", auth_secret_type="auth-file")
    assert passwords(file) == Passwords("", (("u", SHA),), SHOP, by_authz=False)
    users = world(password_map(a=SHA, auth=SHA), auth_type="basic", auth_secret="users", auth_secret_type="auth-map")
    assert passwords(users) == Passwords("", (("a", SHA), ("auth", SHA)), SHOP, by_authz=False)


@pytest.mark.parametrize("realm", ["off", "Private: a/b.c_d~e-f", "", " blanks "])
def test_a_realm_is_taken_as_written(realm: str) -> None:
    given = world(FILE, auth_type="basic", auth_secret="users", auth_realm=realm)
    found = passwords(given)
    assert found
    assert found.realm == realm.strip()


CLOSING: list[tuple[dict[str, str], str]] = [
    ({"auth_secret": "users"}, "auth-secret has no auth-type beside"),
    ({"auth_secret": ""}, "auth-secret has no auth-type beside"),
    ({"auth_realm": "r"}, "auth-realm has no auth-type beside"),
    ({"auth_secret_type": "auth-map"}, "auth-secret-type has no auth-type beside"),
    ({"auth_type": ""}, "auth-type is ''"),
    ({"auth_type": "", "auth_secret": "users"}, "auth-type is ''"),
    ({"auth_type": "Basic", "auth_secret": "users"}, "auth-type is 'Basic'"),
    ({"auth_type": "digest", "auth_secret": "users"}, "auth-type is 'digest'"),
    ({"auth_type": "basic\n", "auth_secret": "users"}, "auth-type is 'basic\\n'"),
    ({"auth_type": "basic"}, "auth-secret is missing or empty"),
    ({"auth_type": "basic", "auth_secret": ""}, "auth-secret is missing or empty"),
    ({"auth_type": "basic", "auth_secret": "nowhere"}, "names Secret default/nowhere, which doesn't exist"),
    ({"auth_type": "basic", "auth_secret": "other/users"}, "--allow-cross-namespace-resources"),
    ({"auth_type": "basic", "auth_secret": "../../etc/passwd"}, "is not the name of an object"),
    ({"auth_type": "basic", "auth_secret": "users\n"}, "is not the name of an object"),
    ({"auth_type": "basic", "auth_secret": "/users"}, "is not the name of an object"),
    ({"auth_type": "basic", "auth_secret": "users", "auth_secret_type": "file"}, "auth-secret-type is 'file'"),
    ({"auth_type": "basic", "auth_secret": "users", "auth_realm": 'x"; return 200 "'}, "auth-realm is"),
    ({"auth_type": "basic", "auth_secret": "users", "auth_realm": "a\r\nb"}, "auth-realm is"),
    ({"auth_type": "basic", "auth_secret": "users", "auth_realm": "%REQ(cookie)%"}, "auth-realm is"),
    ({"auth_type": "basic", "auth_secret": "users", "auth_realm": "x" * 3000}, "auth-realm is"),
]


@pytest.mark.parametrize(("annotations", "why"), CLOSING)
@pytest.mark.parametrize("has_authz", [False, True])
def test_a_value_that_protects_nothing_closes_the_paths(
    annotations: dict[str, str],
    why: str,
    has_authz: bool,
) -> None:
    foreign = password_file("x:y", ns="other")
    given = world(FILE, foreign, has_authz=has_authz, allow_cross_namespace=False, **annotations)
    assert passwords(given) is None
    [problem] = given.problems
    assert why in problem.message
    assert "answer 503" in problem.message
    assert problem.remedy


@pytest.mark.parametrize(
    ("secret", "why"),
    [
        (password_map(htpasswd="x"), "names Secret default/users, which has no key auth"),
        (password_file("#" * (MAX_FILE_BYTES + 1)), "which has more than 1024 KiB"),
        (password_file("".join(f"u{each}:x\n" for each in range(MAX_USERS + 1))), "which has more than 5000 users"),
    ],
)
def test_a_secret_without_a_usable_file_closes_the_paths(secret: Secret, why: str) -> None:
    given = world(secret, auth_type="basic", auth_secret="users")
    assert passwords(given) is None
    assert why in given.problem("NamedObjectUnusable").message


def test_a_secret_of_another_namespace_takes_the_operators_permission() -> None:
    foreign = password_file(f"x:{SHA}", ns="other")
    given = world(foreign, allow_cross_namespace=True, auth_type="basic", auth_secret="other/users")
    found = passwords(given)
    assert found
    assert found.users == (("x", SHA),)


def test_other_hashes_than_sha_take_xds_authz() -> None:
    mixed = password_file(f"a:{SHA}\nb:{BCRYPT}\n")
    without = world(mixed, auth_type="basic", auth_secret="users")
    assert passwords(without) is None
    problem = without.problem("ProtectionUnavailable")
    assert "default/users" in problem.message
    assert "htpasswd -s" in problem.remedy
    assert "--authz" in problem.remedy
    given = world(mixed, has_authz=True, auth_type="basic", auth_secret="users")
    assert passwords(given) == Passwords("", (("a", SHA), ("b", BCRYPT)), SHOP)
    assert not given.problems


def test_users_that_never_match_are_counted_and_not_named() -> None:
    content = f"a:{SHA}\nmarker1:abzlUXK5ed5rs\nmarker2:abzlUXK5ed5rs\nmarker3:bare-marker\n"
    given = world(password_file(content), has_authz=True, auth_type="basic", auth_secret="users")
    found = passwords(given)
    assert found
    assert found.users == (("a", SHA),)
    problem = given.problem("PasswordsUnusable")
    assert "default/users" in problem.message
    assert "2 with a hash of DES, 1 with a hash in no known form" in problem.message
    assert "marker" not in str(problem)


def with_paths(*objects: KubeObject, **annotations: str) -> dict[str, Access | None]:
    paths = (path("/"), path(CHALLENGE), path("/.well-known"), path("/.WELL-KNOWN/acme-challenge"), path("/free/x"))
    shop = ingress("shop", rule(HOST, *paths), annotations=annotated(**annotations))
    given = World(service("web"), shop, FILE, *objects, nginx_configmap=CONFIG)
    return {each.path: each.policy.access for each in given.traffic.hosts[HOST].routes}


def unprotected(*objects: KubeObject, **annotations: str) -> set[str]:
    found = with_paths(*objects, auth_type="basic", auth_secret="users", **annotations)
    return {path for path, access in found.items() if access is None}


def test_paths_of_challenges_have_no_passwords() -> None:
    assert unprotected() == {CHALLENGE}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/free, /.well-known/acme", {CHALLENGE, "/free/x"}),
        ("/free,,", {"/free/x"}),
        ("", set()),
        ("free", set()),
        ("/", {"/", CHALLENGE, "/.well-known", "/.WELL-KNOWN/acme-challenge", "/free/x"}),
    ],
)
def test_the_operator_says_which_paths_have_no_passwords(value: str, expected: set[str]) -> None:
    config = config_map(CONFIG.name, ns=CONFIG.namespace, no_auth_locations=value)
    assert unprotected(config) == expected


def test_redirects_ask_for_no_passwords() -> None:
    given = world(FILE, auth_type="basic", auth_secret="users", permanent_redirect="https://b.test/")
    assert all(each.policy.access is None for each in given.traffic.hosts[HOST].routes)
    rooted = world(FILE, auth_type="basic", auth_secret="users", app_root="/app")
    assert [each.policy.access is None for each in rooted.traffic.hosts[HOST].routes] == [True, False]


def test_ingresses_with_one_secret_parse_the_file_once() -> None:
    given = world(FILE, auth_type="basic", auth_secret="users")
    second = ingress("two", rule("b.test", path("/")), annotations=annotated(auth_type="basic", auth_secret="users"))
    given.add(second)
    users = [
        each.policy.access.passwords.users
        for host in given.traffic.hosts.values()
        for each in host.routes
        if each.policy.access and each.policy.access.passwords
    ]
    assert len(users) == 2
    assert users[0] is users[1]
