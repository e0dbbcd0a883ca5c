"""The objects of an issue by HTTP-01 as cert-manager writes them, and sites of every kind beside them.

Source: https://github.com/cert-manager/cert-manager/blob/v1.16.0/pkg/issuer/acme/http/ingress.go
From version 1.18 on the pathType is Exact, before ImplementationSpecific.
"""

import itertools
from collections.abc import Mapping
from typing import Any, Final

from tests.support.objects import ingress, path, rule, tls
from tests.support.route_table_annotations import annotated
from xds.kube.objects import Ingress

CHALLENGE: Final = "/.well-known/acme-challenge/"
TOKEN: Final = "evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr-oA"
"""A token of https://www.rfc-editor.org/rfc/rfc8555#section-8.3"""

SOLVER: Final = "cm-acme-http-solver-x7k2p"
"""The name of a solver's Service and of its Ingress."""

CLASS_ANNOTATION: Final = "kubernetes.io/ingress.class"

FORMS: Final = tuple(itertools.product(("ImplementationSpecific", "Exact"), ("name", "annotation", "both", "default")))
"""The pathType of a solver, and how its class is written."""

SITES: Final[Mapping[str, dict[str, Any]]] = {
    "plain": {},
    "redirects": {"force_ssl_redirect": "true"},
    "redirects with TLS": {"ssl_redirect": "true"},
    "allow list": {"whitelist_source_range": "10.0.0.0/8"},
    "deny list": {"denylist_source_range": "0.0.0.0/0,::/0"},
    "passwords": {"auth_type": "basic", "auth_secret": "users"},
    "passwords without Secret": {"auth_type": "basic", "auth_secret": "gone"},
    "authorizer": {"auth_url": "https://auth.example.org/x"},
    "closed": {"enable_modsecurity": "true"},
    "client certificates": {"auth_tls_secret": "default/ca"},
    "expressions": {"use_regex": "true", "paths": ("/(api|ui)/.*",)},
    "expression for all": {"use_regex": "true", "paths": ("/(.*)",)},
    "rewrites": {"rewrite_target": "/$2", "paths": ("/app(/|$)(.*)",)},
    "app root": {"app_root": "/app"},
    "moved": {"permanent_redirect": "https://new.example.com"},
    "www": {"from_to_www_redirect": "true"},
    "wildcard": {"is_wildcard": True, "force_ssl_redirect": "true"},
    "limits": {"limit_rps": "1"},
    "CORS": {"enable_cors": "true"},
    "TLS to backends": {"backend_protocol": "HTTPS"},
}
"""Annotations of the site's Ingress, and `paths` if others than `/`, and whether the host
is a wildcard."""


def site_ingress(
    host: str, site: Mapping[str, Any], *, name: str = "site", to: str = "web", created: int | None = None
) -> Ingress:
    """The site's Ingress, whose Secret cert-manager is to make. `site` is one of SITES."""
    more = dict(site)
    host = f"*.{host.partition('.')[2]}" if more.pop("is_wildcard", False) else host
    paths = more.pop("paths", None)
    written = [path(each, to, "ImplementationSpecific") for each in paths] if paths else [path("/", to)]
    return ingress(
        name,
        rule(host, *written),
        tls=[tls(host, secret=f"{name}-tls")],
        annotations={"cert-manager.io/cluster-issuer": "letsencrypt", **annotated(**more)},
        created=created,
    )


def solver_ingress(
    host: str, path_type: str, class_by: str, *, name: str = SOLVER, to: str = SOLVER, created: int | None = None
) -> Ingress:
    """The solver's Ingress.

    Args:
        host: To be proved.
        path_type: Of the path.
        class_by: How the class is written: `name`, `annotation`, `both` or `default` (nowhere).
        name: Of the Ingress.
        to: Its Service.
        created: As of `ingress`.
    """
    annotations = annotated(whitelist_source_range="0.0.0.0/0,::/0")
    if class_by in ("annotation", "both"):
        annotations[CLASS_ANNOTATION] = "envoy"
    class_name = "envoy" if class_by in ("name", "both") else None
    written = path(f"{CHALLENGE}{TOKEN}", f"{to}:8089", path_type)
    return ingress(name, rule(host, written), class_name=class_name, annotations=annotations, created=created)
