"""Certificates with the days left."""

from collections.abc import Mapping
from typing import Any, Final

from xds.api.v1 import debug_pb2 as pb
from xds.ui.page import Page, Query, list_page
from xds.ui.visit import Visit

PAGE_SIZE: Final = 100

USES: Final = {
    pb.CERTIFICATE_USE_SERVED: "served to clients",
    pb.CERTIFICATE_USE_CONTROL_PLANE: "of the control plane",
    pb.CERTIFICATE_USE_CLIENT_CA: "authority of the proxies",
}


async def show(visit: Visit) -> Page:
    query = visit.query
    found = await visit.answers.list_certificates(pb.ListCertificatesRequest())
    return Page("certificates.html", "Certificates", lambda: view(query, found), "Certificates")


def view(query: Query, found: pb.ListCertificatesResponse) -> Mapping[str, Any]:
    chosen = [each for each in found.certificates if query["q"].lower() in _text(each)]
    shown = list_page(query.number("page"), len(chosen), PAGE_SIZE)
    return {
        "query": query,
        "certificates": chosen[shown.start : shown.start + PAGE_SIZE],
        "list_page": shown,
        "total": len(found.certificates),
        "uses": USES,
        "kept": {"q": query["q"]},
    }


def _text(certificate: pb.Certificate) -> str:
    secret = certificate.secret
    words = (secret.namespace, secret.name, certificate.file, *certificate.names, *certificate.hosts)
    return " ".join(words).lower()
