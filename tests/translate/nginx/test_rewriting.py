"""rewrite-target: the rewrite of a path to itself. Excludes: answers and paths that backends see (tests/rows)."""

import re

import pytest

from tests.support.objects import World, exact, ingress, path, rule, service
from tests.support.route_table_annotations import annotated
from xds.kube.objects import HTTPIngressPath
from xds.traffic.rewrite import Rewrite
from xds.traffic.routes import PathType

HOST = "a.test"


def asked(written: HTTPIngressPath, target: str) -> tuple[PathType, Rewrite | None]:
    """How the only path is compared, and its rewrite."""
    world = World(service("web"), ingress("one", rule(HOST, written), annotations=annotated(rewrite_target=target)))
    (route,) = world.traffic.hosts[HOST].routes
    return route.path_type, route.policy.rewrite


def test_a_target_equal_to_a_prefix_path_rewrites_the_paths_below() -> None:
    path_type, rewrite = asked(path("/app"), "/app")
    assert path_type is PathType.REGEX
    assert rewrite is not None
    changed = [
        re.sub(rewrite.pattern, rewrite.path, sent) for sent in ("/app", "/app/x/y", "/APP/x", "/appx", "/appx/app/")
    ]
    assert changed == ["/app", "/app", "/app", "/appx", "/appx/app/"]


@pytest.mark.parametrize("written", [path("/"), path("/app/"), exact("/app")])
def test_a_target_equal_to_the_only_location_of_a_path_changes_nothing(written: HTTPIngressPath) -> None:
    path_type, rewrite = asked(written, str(written.path))
    assert path_type is not PathType.REGEX
    assert rewrite is None
