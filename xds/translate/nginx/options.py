"""The operator's choices for all annotations."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from xds.traffic.regex import DEFAULT_MAX_REGEX_SIZE
from xds.translate.nginx import access, external_auth, rewriting
from xds.translate.nginx.annotation import PREFIX
from xds.translate.nginx.backend_protocol import SpokenProtocol
from xds.translate.nginx.defaults import NO_DEFAULTS
from xds.translate.nginx.grammars import unless_false
from xds.translate.nginx.named_objects import Unavailable
from xds.translate.nginx.open_paths import open_paths
from xds.translate.nginx.paths_policy import OPEN_PATHS, ClosedPaths, OpenPaths, PathsPolicy
from xds.translate.nginx.reader import AnnotationReader


@dataclass(frozen=True, slots=True)
class AnnotationOptions:
    """The operator's choices for all annotations.

    Attributes:
        ignored: Names that count as absent: ingress-nginx's without the prefix, our own in full.
        defaults: Values of absent annotations, by name without the prefix.
        closing: Keys of ingress-nginx's ConfigMap that ask for a protection which can't be had: all paths are closed.
        open_paths: The policy of open paths without annotations.
        unannotated: The policy of Ingresses without annotations. Made once, so that such an Ingress costs nothing.
        has_tracer: Whether the operator has a collector of traces.
        has_authz: Whether the operator runs `xds authz` beside each proxy.
        max_regex_size: The size of a compiled expression above which proxies reject the expression.
        passes_tls: Whether the operator lets Ingresses ask for TLS passthrough.
        blocked: Networks of clients whose connections are never passed through.
    """

    ignored: frozenset[str] = frozenset()
    defaults: Mapping[str, str] = field(default_factory=lambda: NO_DEFAULTS)
    closing: tuple[str, ...] = ()
    open_paths: OpenPaths = OPEN_PATHS
    unannotated: PathsPolicy = OPEN_PATHS
    has_tracer: bool = False
    has_authz: bool = False
    max_regex_size: int = DEFAULT_MAX_REGEX_SIZE
    passes_tls: bool = False
    blocked: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        ignored: frozenset[str],
        defaults: Mapping[str, str],
        closing: tuple[str, ...] = (),
        *,
        has_tracer: bool = False,
        has_authz: bool = False,
        max_regex_size: int = DEFAULT_MAX_REGEX_SIZE,
        passes_tls: bool = False,
        blocked: tuple[str, ...] = (),
    ) -> "AnnotationOptions":
        chosen = cls(
            ignored,
            has_tracer=has_tracer,
            has_authz=has_authz,
            max_regex_size=max_regex_size,
            passes_tls=passes_tls,
            blocked=blocked,
        )
        if not defaults and not closing:
            return chosen
        reader = AnnotationReader({}, no_report, defaults)
        asked = rewriting.read(reader)
        opened = open_paths(SpokenProtocol(), None, asked, reader, has_tracer=has_tracer)
        allowed = access.by_default(reader)
        if isinstance(allowed, Unavailable):
            closing = (*closing, allowed.annotation.full_name)
        elif allowed:
            opened = replace(opened, policy=replace(opened.policy, access=allowed))
        unannotated = ClosedPaths(closing, hosts=False, rewriting=asked) if closing else opened
        return replace(chosen, defaults=defaults, closing=closing, open_paths=opened, unannotated=unannotated)

    def ignores(self, full_name: str) -> bool:
        """Whether an annotation counts as absent."""
        return full_name.removeprefix(PREFIX) in self.ignored or full_name in self.ignored

    def closing_without(self, annotations: Mapping[str, str]) -> tuple[str, ...]:
        """The closing keys that no annotation replaces. A value that asks for the protection closes by itself."""
        return tuple(
            key
            for key in self.closing
            if not any(_replaces(name, annotations.get(PREFIX + name, "")) for name in _REPLACING.get(key, ()))
        )


_ALLOW_LISTS: Final = ("whitelist-source-range", "allowlist-source-range")
_REPLACING: Final = {
    "whitelist-source-range": _ALLOW_LISTS,
    "denylist-source-range": ("denylist-source-range",),
    **dict.fromkeys(
        ("global-auth-url", "global-auth-method", "global-auth-response-headers"),
        (external_auth.AUTH_URL.name, external_auth.GLOBAL.name),
    ),
    "enable-modsecurity": ("enable-modsecurity",),
}
"""Annotations that replace a key of the ConfigMap. Snippets of the ConfigMap hold beside those of an Ingress."""


def _replaces(name: str, text: str) -> bool:
    """Whether the value of an annotation replaces a key of the ConfigMap."""
    return bool(text) and (name != external_auth.GLOBAL.name or not unless_false(text))


def no_report(*problem: object) -> None:
    """Drop a problem that is reported elsewhere: of a default, the ConfigMap's own problem names the key."""
