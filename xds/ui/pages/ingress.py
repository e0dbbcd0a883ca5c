"""One Ingress: the state of each part, with the reason."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from xds.api.v1 import debug_pb2 as pb
from xds.ui.page import Page
from xds.ui.text import link
from xds.ui.visit import Visit

_PATH: Final = re.compile(r"(\S+), (?:Exact|Prefix) (/\S*)")
"""The text of a part that is a path, e.g. `shop.example.com, Prefix /cart`."""

_TLS: Final = "HTTPS of "
"""The beginning of the text of a part that is a TLS host."""

_PASSED: Final = "TLS passthrough of "
"""The beginning of the text of a part that is a host whose TLS is passed through."""


async def show(visit: Visit) -> Page:
    namespace, name = visit.names
    asked = pb.WhyIngressRequest(namespace=namespace, name=name)
    found = await visit.costly.why_ingress(asked)
    return Page("ingress.html", f"Ingress {namespace}/{name}", lambda: view(found), "Ingresses")


def view(found: pb.WhyIngressResponse) -> Mapping[str, Any]:
    secured = {each.text.removeprefix(_TLS) for each in found.units if each.text.startswith(_TLS)}
    return {
        "found": found,
        "units": [(each, explain_link(each.text, secured)) for each in found.units],
        "in_sync": sum(each.in_sync for each in found.proxies),
    }


def explain_link(text: str, secured: Iterable[str]) -> str:
    """The form for the URL of a path or of TLS passthrough; empty for other parts and for wildcards."""
    if text.startswith(_PASSED) and "*" not in text:
        return link("/explain", url=f"tls://{text.removeprefix(_PASSED)}")
    match = _PATH.fullmatch(text)
    if match is None or "*" in match[1]:
        return ""
    scheme = "https" if match[1] in secured else "http"
    return link("/explain", url=f"{scheme}://{match[1]}{match[2]}")
