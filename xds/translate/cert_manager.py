"""cert-manager's work in progress: objects that are missing for a moment while a certificate is issued.

A missing object is no problem meanwhile. cert-manager reports on its own objects if an issue fails.
Source: https://cert-manager.io/docs/usage/ingress/ and https://cert-manager.io/docs/configuration/acme/http01/
"""

from datetime import datetime, timedelta
from typing import Final

from xds.kube.cert_manager import makes_secrets
from xds.kube.objects import HTTPIngressPath, Ingress
from xds.traffic.routes import ACME_CHALLENGES

ISSUE_TIME: Final = timedelta(minutes=10)
"""Time for the Secrets of a new Ingress. A challenge by DNS takes minutes."""

REMEDY: Final = (
    "cert-manager is asked for the Secret by an annotation: `kubectl describe certificate,challenge` in the namespace "
    "says why there is none. Without cert-manager, create the Secret."
)

_SOLVER: Final = "cm-acme-http-solver-"
"""The beginning of the names of solvers' Services.
https://github.com/cert-manager/cert-manager/blob/v1.16.0/pkg/issuer/acme/http/service.go
"""


def issue_deadline(ingress: Ingress) -> datetime | None:
    """The time until which a missing Secret is no problem; None: cert-manager is not asked for Secrets."""
    created = ingress.metadata.creation_timestamp
    return created + ISSUE_TIME if created and makes_secrets(ingress) else None


def is_solver(path: HTTPIngressPath) -> bool:
    """Whether a path is for an answer to a challenge of HTTP-01, made and removed by cert-manager.

    The Service is deleted before the path, and the order of two watches is not known.
    """
    service = path.backend.service
    return service is not None and service.name.startswith(_SOLVER) and (path.path or "").startswith(ACME_CHALLENGES)
