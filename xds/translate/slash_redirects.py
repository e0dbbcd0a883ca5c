"""Redirects to a path with a slash at the end, as nginx answers requests without the slash."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from xds.traffic.actions import Closed, LocationBase, Redirect
from xds.traffic.policy import NO_POLICY
from xds.traffic.routes import PathType, Route


def slash_redirects(routes: Iterable[Route]) -> Iterator[Route]:
    """A redirect of `/foo` for each path `/foo/`, unless the host has `/foo` too.

    In front of all other answers but app-root. Source:
    https://nginx.org/en/docs/http/ngx_http_core_module.html#location
    """
    routes = tuple(routes)
    paths = {route.path for route in routes}
    for route in routes:
        bare = route.path.removesuffix("/")
        if bare and bare not in paths and bare != route.path and not isinstance(route.action, Closed):
            paths.add(bare)
            action = Redirect(301, route.path, LocationBase.HOST, keeps_query=True)
            yield replace(route, path=bare, path_type=PathType.EXACT, action=action, policy=NO_POLICY)
