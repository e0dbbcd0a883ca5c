"""Annotations that are not built yet. Those that protect close the paths; the others have no effect."""

from collections.abc import Callable
from functools import lru_cache
from typing import Final

from xds.translate.nginx.annotation import Annotation, AnyAnnotation, Scope, Verdict
from xds.translate.nginx.grammars import ANYTHING, always, unless_false


@lru_cache(maxsize=64)
def _restricts(value: str) -> bool:
    """Whether a list is another than that of all clients. One bad element spoils a list.

    cert-manager writes a list of all clients into the Ingress of an ACME challenge, so that no list of the controller
    shuts the CA out: https://github.com/cert-manager/cert-manager/blob/v1.16.0/pkg/issuer/acme/http/ingress.go
    """
    return {network.strip() for network in value.split(",")} != {"0.0.0.0/0", "::/0"}


def _planned(
    family: str, names: str, protects: Callable[[str], bool] | None = None, scope: Scope = Scope.PATH
) -> tuple[AnyAnnotation, ...]:
    return tuple(
        Annotation(name, family, ANYTHING, scope=scope, verdict=Verdict.NOT_YET, protects=protects)
        for name in names.split()
    )


ANNOTATIONS: Final = (
    *_planned("address lists", "whitelist-source-range allowlist-source-range", _restricts),
    *_planned("address lists", "denylist-source-range", always),
    *_planned(
        "authentication",
        "auth-type auth-secret auth-secret-type auth-realm auth-url auth-method auth-signin auth-signin-redirect-param "
        "auth-response-headers auth-request-redirect auth-always-set-cookie auth-cache-key auth-cache-duration "
        "auth-keepalive auth-keepalive-requests auth-keepalive-share-vars auth-keepalive-timeout "
        "auth-proxy-set-headers satisfy",
        always,
    ),
    *_planned("authentication", "enable-global-auth", unless_false),
    *_planned(
        "client certificates",
        "auth-tls-secret auth-tls-verify-client auth-tls-verify-depth auth-tls-error-page auth-tls-match-cn "
        "auth-tls-pass-certificate-to-upstream",
        always,
        Scope.HOST,
    ),
    *_planned("protocols", "ssl-passthrough"),
)
