"""Keys of access and safety."""

from collections.abc import Callable, Iterator
from typing import Final

from xds.traffic.listeners import Blocked
from xds.translate.nginx import address_lists, external_auth
from xds.translate.nginx.annotation import Annotation, AnyAnnotation, Grammar, InvalidValueError, Verdict
from xds.translate.nginx.configmap.grammars import NETWORKS, PATHS, network, texts
from xds.translate.nginx.configmap.key import (
    AnyKey,
    ConfigKey,
    Section,
    of_annotations,
    refused,
    without_effect,
)
from xds.translate.nginx.configmap.patterns import patterns, report_element
from xds.translate.nginx.configmap.reader import ConfigReader
from xds.translate.nginx.grammars import ANYTHING, unless_false
from xds.translate.nginx.refused import snippet_protects

_SECTION: Final = Section.ACCESS

_TEXTS: Final = texts("a list of texts, or of expressions after ~ or ~*, with commas between")

BLOCKED_NETWORKS: Final = ConfigKey(
    "block-cidrs",
    _SECTION,
    NETWORKS,
    verdict=Verdict.APPROXIMATE,
    note="counts for paths with an address list of their own too",
)
BLOCKED_AGENTS: Final = ConfigKey("block-user-agents", _SECTION, _TEXTS)
BLOCKED_REFERERS: Final = ConfigKey("block-referers", _SECTION, _TEXTS)

CHALLENGES: Final = "/.well-known/acme-challenge"
"""Where certification authorities look: https://www.rfc-editor.org/rfc/rfc8555#section-8.3"""

NO_REDIRECT: Final = ConfigKey("no-tls-redirect-locations", _SECTION, PATHS, CHALLENGES)
NO_AUTHENTICATION: Final = ConfigKey("no-auth-locations", _SECTION, PATHS, CHALLENGES)

_RAW: Final = "Envoy reads no nginx configuration"
_WAF: Final = "Put a web application firewall in front of the proxies, and remove the key."


def _is_written(value: str) -> bool:
    return bool(value.strip())


def _global(of: AnyAnnotation, protects: Callable[[str], bool] | None = None, default: str = "") -> AnyKey:
    """A key that says for all Ingresses without auth-url of their own what an annotation says for one."""
    return ConfigKey(f"global-{of.name}", _SECTION, of.grammar, default, of.verdict, of.note, protects=protects)


GLOBAL_AUTH: Final = (
    _global(external_auth.AUTH_URL, _is_written),
    _global(external_auth.AUTH_METHOD, _is_written),
    _global(external_auth.PASSED, _is_written),
    _global(external_auth.REDIRECT),
    _global(external_auth.SIGN_IN),
    _global(external_auth.PARAMETER, default="rd"),
    _global(external_auth.ALWAYS_SET_COOKIE, default="false"),
    _global(external_auth.CACHE_KEY),
    _global(external_auth.CACHE_DURATION, default="200 202 401 5m"),
)


def _address_list(of: Annotation[tuple[str, ...]]) -> AnyKey:
    """A list for Ingresses without one of their own."""
    grammar = Grammar(of.grammar.words, address_lists.of_config_map)
    return ConfigKey(of.name, _SECTION, grammar, protects=of.protects, annotation=of)


def _snippet(name: str) -> AnyKey:
    remedy = "Remove the key, and write typed annotations or keys instead."
    protects = None if name == "main-snippet" else snippet_protects
    return ConfigKey(name, _SECTION, ANYTHING, "", Verdict.REFUSED, _RAW, remedy, protects)


def _modsecurity(name: str) -> AnyKey:
    note = "Envoy has no ModSecurity"
    return ConfigKey(name, _SECTION, ANYTHING, "false", Verdict.REFUSED, note, _WAF, unless_false)


KEYS: Final = (
    BLOCKED_NETWORKS,
    BLOCKED_AGENTS,
    BLOCKED_REFERERS,
    NO_REDIRECT,
    NO_AUTHENTICATION,
    *of_annotations(
        _SECTION,
        ssl_redirect="true",
        force_ssl_redirect="false",
    ),
    *(_address_list(each) for each in (address_lists.ALLOW_OLD, address_lists.DENY)),
    *GLOBAL_AUTH,
    *refused(_SECTION, _RAW, "Remove the key.", global_auth_snippet=""),
    *without_effect(_SECTION, "snippets are refused either way", allow_snippet_annotations="false"),
    *refused(
        _SECTION,
        "it is for the operator of the control plane to say",
        "Start `xds serve` with --allow-cross-namespace-resources.",
        allow_cross_namespace_resources="false",
    ),
    *without_effect(
        _SECTION,
        "no text of an annotation reaches a proxy unparsed",
        annotations_risk_level="High",
        annotation_value_word_blocklist="",
        strict_validate_path_type="true",
    ),
    *of_annotations(_SECTION, disable_proxy_intercept_errors="false"),
    *refused(
        _SECTION,
        "error pages are asked for by Ingress",
        "Write the annotations custom-http-errors and default-backend.",
        custom_http_errors="",
    ),
    *(_modsecurity(name) for name in ("enable-modsecurity", "enable-owasp-modsecurity-crs")),
    *refused(_SECTION, "Envoy has no ModSecurity", _WAF, modsecurity_snippet=""),
    *map(_snippet, ("main-snippet", "http-snippet", "server-snippet", "location-snippet", "stream-snippet")),
)


def blocked(reader: ConfigReader, max_regex_size: int) -> Blocked:
    """The requests that are answered by 403."""
    return Blocked(
        networks=tuple(_networks(reader)),
        user_agents=tuple(patterns(reader, BLOCKED_AGENTS, max_regex_size)),
        referers=tuple(patterns(reader, BLOCKED_REFERERS, max_regex_size)),
    )


def _networks(reader: ConfigReader) -> Iterator[str]:
    for text in reader.get(BLOCKED_NETWORKS) or ():
        try:
            yield network(text)
        except InvalidValueError:
            report_element(reader, BLOCKED_NETWORKS, text, "it is no address and no network")
