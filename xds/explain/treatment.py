"""Mirrors, error pages and replaced names of a route in words."""

from collections.abc import Iterator

from xds.problems.text import shown
from xds.traffic.backend_names import BackendNames
from xds.traffic.error_pages import ErrorPages
from xds.traffic.policy import NO_POLICY, Policy


def treatment(policy: Policy) -> Iterator[tuple[str, str]]:
    """The parts of a policy that concern answers of other backends, each as subject and text."""
    if policy is NO_POLICY:
        return
    if policy.mirror:
        yield "mirror", f"a copy goes to {policy.mirror.backend}, with Host {policy.mirror.host}"
    if policy.error_pages:
        yield from (("error page", text) for text in _pages(policy.error_pages))
    if policy.backend_names:
        yield from (("answer", text) for text in _replaced(policy.backend_names))


def _pages(pages: ErrorPages) -> Iterator[str]:
    if pages.instead:
        yield f"Service {shown(pages.service)} can't be used, so its default backend {pages.backend} answers"
        return
    yield f"{pages.backend} answers requests without a body while {pages.service} has no endpoint"
    if pages.statuses:
        whose = "of the proxy itself" if pages.own_only else "of backend and proxy"
        yield f"answers {whose} with {', '.join(map(str, pages.statuses))} may be replaced by those of {pages.backend}"


def _replaced(names: BackendNames) -> Iterator[str]:
    for what, each in (
        ("Location", names.location),
        ("the Path of cookies", names.cookie_path),
        ("the Domain of cookies", names.cookie_domain),
    ):
        if each:
            yield f"{shown(each.found)} becomes {shown(each.by)} in {what}"
