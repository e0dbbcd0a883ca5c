"""The policy of a route in words, but for limits."""

from collections.abc import Iterator

from xds.problems.text import shown
from xds.traffic.affinity import Affinity
from xds.traffic.backend_names import BackendNames
from xds.traffic.cors import Cors
from xds.traffic.error_pages import ErrorPages
from xds.traffic.mirror import EVERY_REQUEST
from xds.traffic.policy import NO_POLICY, Policy
from xds.traffic.rewrite import Rewrite


def treatment(policy: Policy) -> Iterator[tuple[str, str]]:
    """The parts of a policy that differ from the usual, each as subject and text."""
    if policy is NO_POLICY:
        return
    if policy.rewrite:
        yield "rewrite", _rewrite(policy.rewrite)
    if policy.forwarded_prefix:
        yield "prefix", f"the backend is sent x-forwarded-prefix {shown(policy.forwarded_prefix)}"
    if policy.connection:
        yield "connection", f"the backend is sent Connection: {policy.connection}"
    if policy.affinity:
        yield "session", _session(policy.affinity)
    if not policy.is_logged:
        yield "access log", "no line"
    if not policy.tracing.is_on:
        yield "traces", "no span"
    elif policy.tracing.operation:
        yield "traces", f"spans are named {policy.tracing.operation}"
    for mirror in policy.mirrors:
        share = "" if mirror.millionths == EVERY_REQUEST else f" of {mirror.millionths / 10_000:g} % of requests"
        yield "mirror", f"a copy{share} goes to {mirror.backend}{f', with Host {mirror.host}' if mirror.host else ''}"
    if policy.error_pages:
        yield from (("error page", text) for text in _pages(policy.error_pages))
    if policy.cors:
        yield from (("CORS", text) for text in _cors(policy.cors))
    if policy.backend_names:
        yield from (("answer", text) for text in _replaced(policy.backend_names))


def _rewrite(rewrite: Rewrite) -> str:
    if rewrite.of_prefix:
        return f"the backend is sent {shown(rewrite.path)} in place of the route's path, and the rest"
    groups = ", with the groups of the path's expression" if rewrite.pattern else ""
    path = rewrite.path.replace("\\", "$")
    return f"the backend is sent the path {shown(path)}{groups}"


def _cors(cors: Cors) -> Iterator[str]:
    listed = ", ".join(each for group in cors.origins for each in group)
    origins = shown(listed) if listed else "any origin"
    preflights = "preflights, with 403 those of other origins" if cors.is_strict else "OPTIONS"
    yield f"answers to {origins} have headers, and the proxy answers {preflights}"
    credentials = "with cookies" if cors.credentials else "without cookies"
    headers = f", and the headers {cors.headers}" if cors.headers else ""
    yield f"scripts may send {cors.methods or 'GET, HEAD and POST'} {credentials}{headers}"
    if cors.exposed_headers:
        yield f"scripts may read the headers {cors.exposed_headers}"
    yield f"browsers remember a preflight for {cors.max_age_seconds} s"


def _session(affinity: Affinity) -> str:
    failure = "a failure moves the session" if affinity.moves_on_failure else "a failure is not tried again"
    if affinity.header:
        return f"header {affinity.header} names the endpoint, and {failure}"
    ends = f", and ends after {affinity.lifetime.total_seconds():g} s" if affinity.lifetime else ""
    return f"cookie {affinity.cookie} for {affinity.path or '/'} names the endpoint{ends}, and {failure}"


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
