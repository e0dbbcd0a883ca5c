"""The annotations by which an Ingress asks cert-manager for its Secrets.

Source: https://cert-manager.io/docs/usage/ingress/
"""

from typing import Final

from xds.kube.objects import Ingress

_ISSUERS: Final = ("cert-manager.io/issuer", "cert-manager.io/cluster-issuer")
_DEFAULT_ISSUER: Final = "kubernetes.io/tls-acme"


def makes_secrets(ingress: Ingress) -> bool:
    """Whether an annotation asks cert-manager for the Secrets of the Ingress."""
    annotations = ingress.annotations
    return any(map(annotations.get, _ISSUERS)) or annotations.get(_DEFAULT_ISSUER) == "true"
