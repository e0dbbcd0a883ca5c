"""HTTP filters that run for some requests only, chosen by their headers."""

from typing import TYPE_CHECKING

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    ExtensionWithMatcher,
    HttpFilter,
    HttpRequestHeaderMatchInput,
    Matcher,
    MatcherMatcherList,
    MatcherMatcherListFieldMatcher,
    MatcherMatcherListPredicate,
    MatcherMatcherListPredicatePredicateList,
    MatcherMatcherListPredicateSinglePredicate,
    MatcherOnMatch,
    SkipFilter,
    TypedExtensionConfig,
    XdsRegexMatcher,
    XdsRegexMatcherGoogleRe2,
    XdsStringMatcher,
    XdsTypedExtensionConfig,
)

if TYPE_CHECKING:
    from betterproto2 import Message


def filter_unless(name: str, extension: str, config: "Message", skipped: MatcherMatcherListPredicate) -> HttpFilter:
    """A filter that `skipped` requests pass by.

    Args:
        name: Of the filter in the chain.
        extension: Envoy's name of the filter's kind.
        config: Of the filter.
        skipped: Matches the requests to pass by.
    """
    skip = MatcherOnMatch(action=XdsTypedExtensionConfig(name="skip", typed_config=codec.pack(SkipFilter())))
    rule = MatcherMatcherListFieldMatcher(predicate=skipped, on_match=skip)
    guarded = ExtensionWithMatcher(
        xds_matcher=Matcher(matcher_list=MatcherMatcherList(matchers=[rule])),
        extension_config=TypedExtensionConfig(name=extension, typed_config=codec.pack(config)),
    )
    return HttpFilter(name=name, typed_config=codec.pack(guarded))


def header_is(name: str, value: str) -> MatcherMatcherListPredicate:
    return _header(name, XdsStringMatcher(exact=value))


def header_matches(name: str, regex: str) -> MatcherMatcherListPredicate:
    """Requests with the header, whose whole value matches."""
    pattern = XdsRegexMatcher(google_re2=XdsRegexMatcherGoogleRe2(), regex=regex)
    return _header(name, XdsStringMatcher(safe_regex=pattern))


def any_of(*predicates: MatcherMatcherListPredicate) -> MatcherMatcherListPredicate:
    return MatcherMatcherListPredicate(or_matcher=MatcherMatcherListPredicatePredicateList(predicate=list(predicates)))


def all_of(*predicates: MatcherMatcherListPredicate) -> MatcherMatcherListPredicate:
    return MatcherMatcherListPredicate(and_matcher=MatcherMatcherListPredicatePredicateList(predicate=list(predicates)))


def negated(predicate: MatcherMatcherListPredicate) -> MatcherMatcherListPredicate:
    return MatcherMatcherListPredicate(not_matcher=predicate)


def _header(name: str, value: XdsStringMatcher) -> MatcherMatcherListPredicate:
    header = XdsTypedExtensionConfig(
        name="envoy.matching.inputs.request_headers",
        typed_config=codec.pack(HttpRequestHeaderMatchInput(header_name=name)),
    )
    single = MatcherMatcherListPredicateSinglePredicate(input=header, value_match=value)
    return MatcherMatcherListPredicate(single_predicate=single)
