"""Rewrites of paths by expressions."""

from xds.envoyapi.messages import RegexMatchAndSubstitute, RegexMatcher
from xds.traffic.rewrite import Rewrite


def regex_rewrite(rewrite: Rewrite) -> RegexMatchAndSubstitute:
    return RegexMatchAndSubstitute(pattern=RegexMatcher(regex=rewrite.pattern), substitution=rewrite.path)
