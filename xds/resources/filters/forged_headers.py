"""Headers of clients that stand for something which the proxy itself knows, and are removed first."""

from typing import Final

from xds.envoyapi.messages import (
    Any,
    HeaderMutation,
    HeaderMutationFilter,
    HeaderMutationPerRoute,
    HttpFilter,
    Mutations,
)
from xds.resources.filters.switched import off, on
from xds.traffic.policy import Policy

NAME: Final = "forged-headers"


def forged_headers() -> HttpFilter:
    return off(NAME, HeaderMutationFilter())


def forged_headers_of(policy: Policy) -> Any | None:
    """The filter's configuration for routes of a policy; None for routes that believe clients.

    An authorizer that is asked has its own headers removed with its answer, and so sees those of the client. One that
    isn't asked, since another condition of access suffices, answers nothing.
    """
    access = policy.access
    passed = access.authorizer.passed_headers if access and access.authorizer and access.any_suffices else ()
    if not passed:
        return None
    removed = [HeaderMutation(remove=name) for name in passed]
    return on(HeaderMutationPerRoute(mutations=Mutations(request_mutations=removed)))
