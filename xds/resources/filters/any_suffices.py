"""Routes for which one condition of access suffices (satisfy: any).

The list of allowed addresses only notes its verdict there, and the filters behind ask about the other requests alone.
Requests of other routes have no verdict, and are always asked about.
"""

from typing import Final

from xds.envoyapi.messages import MetadataMatcher, MetadataMatcherPathSegment, StringMatcher, ValueMatcher

SHADOW_PREFIX: Final = "sat_"
"""In front of the keys of the verdict."""


def unless_allowed() -> MetadataMatcher:
    """Requests that the list of allowed addresses doesn't let in.

    Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/rbac_filter#dynamic-metadata
    """
    return MetadataMatcher(
        filter="envoy.filters.http.rbac",
        path=[MetadataMatcherPathSegment(key=f"{SHADOW_PREFIX}shadow_engine_result")],
        value=ValueMatcher(string_match=StringMatcher(exact="allowed")),
        invert=True,
    )
