"""Passwords and lists on many paths: no Ingress may fill the memory of the proxies."""

import pytest

from tests.support.objects import World, config_map, ingress, password_file, path, rule, service
from tests.support.route_table_annotations import annotated
from tests.translate.nginx.test_htpasswd import SHA
from xds.traffic.actions import Closed, Forward
from xds.translate.nginx import access

USERS = password_file("".join(f"user{number}:{SHA}\n" for number in range(50)))
HEADERS = config_map("headers", X_A="a" * 2_000)
NETWORKS = ",".join(f"10.0.{number}.1" for number in range(100))


@pytest.mark.parametrize(
    "annotations",
    [
        {"auth_type": "basic", "auth_secret": "users"},
        {"denylist_source_range": NETWORKS},
        {"whitelist_source_range": NETWORKS, "satisfy": "any"},
        {"auth_url": "http://a.test/", "auth_proxy_set_headers": "default/headers"},
    ],
    ids=["passwords", "denied", "allowed", "headers"],
)
@pytest.mark.parametrize(("paths", "aliases"), [(12, 0), (4, 2)], ids=["paths", "aliases"])
def test_protections_that_take_much_on_each_of_many_paths_close_the_paths(
    annotations: dict[str, str], paths: int, aliases: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(access, "MAX_BYTES", 20_000)
    names = {"server_alias": ",".join(f"{at}.alias.test" for at in range(aliases))} if aliases else {}
    many = rule("many.test", *(path(f"/{at}") for at in range(paths)))
    few = ingress("few", rule("few.test", path("/")), annotations=annotated(**annotations))
    given = World(
        service("web"), USERS, HEADERS, ingress("many", many, annotations=annotated(**annotations | names)), few
    )
    assert {type(route.action) for route in given.traffic.hosts["many.test"].routes} == {Closed}
    assert {type(route.action) for route in given.traffic.hosts["few.test"].routes} == {Forward}
    assert [(each.object.name, each.reason) for each in given.problems] == [("many", "ProtectionUnavailable")]
