"""Upgrade headers of HTTP/1.1 requests: some protocols are passed to backends, and others are ignored.

A server may ignore an Upgrade header and answer by HTTP/1.1: https://www.rfc-editor.org/rfc/rfc9110#section-7.8
Envoy instead answers 403 to an upgrade that its configuration neither passes nor ignores.
"""

import functools
from collections.abc import Iterable, Iterator
from typing import Final

from xds.envoyapi.messages import (
    DataSource,
    FilterStateValue,
    HttpConnectionManagerUpgradeConfig,
    HttpFilter,
    RegexMatcher,
    SetFilterState,
    StringMatcher,
    SubstitutionFormatString,
)
from xds.resources.filters.conditional import filter_unless, header_matches, negated

SIGNIFICANT_CHARACTERS: Final = 3
"""Characters in which a protocol must differ from all passed ones to be ignored. More would make the matchers, which
every filter chain holds, larger.
"""

DOUBLED: Final = ("websocket,websocket", "websocket, websocket")
"""Values of clients and proxies that add an Upgrade header to one that exists."""


@functools.cache
def passed_upgrades(types: tuple[str, ...]) -> list[HttpConnectionManagerUpgradeConfig]:
    """The upgrades that are passed to backends. Envoy rejects a protocol that is named twice, in whatever case."""
    names = {name.lower(): name for name in types}.values()
    doubled = DOUBLED if "websocket" in map(str.lower, names) else ()
    return [HttpConnectionManagerUpgradeConfig(upgrade_type=name) for name in (*names, *doubled)]


@functools.cache
def ignored_upgrades(passed: tuple[str, ...]) -> list[StringMatcher]:
    """Matchers of all protocols but the passed ones.

    RE2 has no negation, so each beginning of a passed protocol has a matcher: the beginning, then a character with
    which no passed protocol goes on.
    """
    heads = {name.lower()[:SIGNIFICANT_CHARACTERS] for name in passed}
    beginnings = {""} | {head[:length] for head in heads for length in range(SIGNIFICANT_CHARACTERS)}
    return [_matcher(beginning, heads) for beginning in sorted(beginnings)]


def _matcher(beginning: str, heads: Iterable[str]) -> StringMatcher:
    following = {head[len(beginning)] for head in heads if head.startswith(beginning) and head != beginning}
    other = f"[^{''.join(map(_either_case, sorted(following)))}]" if following else "."
    rest = f"{other}.*" if beginning in heads else f"(?:{other}.*)?"
    return StringMatcher(safe_regex=RegexMatcher(regex=f"{''.join(_literal(beginning))}{rest}"))


def _literal(text: str) -> Iterator[str]:
    return (f"[{_either_case(character)}]" for character in text)


def _either_case(character: str) -> str:
    if character.isalpha():
        return character + character.upper()
    return f"\\{character}" if character in "^-" else character


@functools.cache
def upgrade_by_http1() -> HttpFilter:
    """A filter that offers HTTP/1.1 alone to TLS backends of upgrades.

    A backend that would choose HTTP/2 by ALPN often takes WebSockets by HTTP/1.1 only (Go's net/http, for example).
    Filters in each upgrade's own configuration would repeat the whole filter chain.
    Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/advanced/well_known_filter_state
    """
    offer = FilterStateValue(
        object_key="envoy.network.application_protocols",
        format_string=SubstitutionFormatString(text_format_source=DataSource(inline_string="http/1.1")),
    )
    # Envoy removes Upgrade headers of requests that are not upgraded before the filters.
    return filter_unless(
        "upgrade-by-http1",
        "envoy.filters.http.set_filter_state",
        SetFilterState(on_request_headers=[offer]),
        negated(header_matches("upgrade", ".+")),
    )
