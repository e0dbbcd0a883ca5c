"""The hash keys of a route as hash policies."""

from typing import Final

from xds.envoyapi.messages import (
    RegexMatchAndSubstitute,
    RegexMatcher,
    RouteActionHashPolicy,
    RouteActionHashPolicyConnectionProperties,
    RouteActionHashPolicyCookie,
    RouteActionHashPolicyHeader,
    RouteActionHashPolicyQueryParameter,
)
from xds.traffic.hashing import HashKey, HashPart

_REMOVED: Final = {
    HashPart.PATH: r"\?.*$",
    HashPart.QUERY: r"^[^?]*\??",
    HashPart.NOTHING: r"^.*$",
}
"""The parts of `:path` that don't take part, as a regular expression."""

_HEADERS: Final = {HashPart.TARGET: ":path", HashPart.HOST: ":authority", HashPart.METHOD: ":method"}


def hash_policy(key: HashKey) -> RouteActionHashPolicy:
    """A key as hash policy. Envoy combines the policies of a route; a request without any is balanced at random."""
    match key.part:
        case HashPart.CLIENT_ADDRESS:
            properties = RouteActionHashPolicyConnectionProperties(source_ip=True)
            return RouteActionHashPolicy(connection_properties=properties)
        case HashPart.COOKIE:
            return RouteActionHashPolicy(cookie=RouteActionHashPolicyCookie(name=key.name))
        case HashPart.QUERY_PARAMETER:
            return RouteActionHashPolicy(query_parameter=RouteActionHashPolicyQueryParameter(name=key.name))
        case HashPart.PATH | HashPart.QUERY | HashPart.NOTHING:
            cut = RegexMatchAndSubstitute(pattern=RegexMatcher(regex=_REMOVED[key.part]))
            return RouteActionHashPolicy(header=RouteActionHashPolicyHeader(header_name=":path", regex_rewrite=cut))
        case HashPart.HEADER:
            return RouteActionHashPolicy(header=RouteActionHashPolicyHeader(header_name=key.name))
        case HashPart.TARGET | HashPart.HOST | HashPart.METHOD:
            return RouteActionHashPolicy(header=RouteActionHashPolicyHeader(header_name=_HEADERS[key.part]))
