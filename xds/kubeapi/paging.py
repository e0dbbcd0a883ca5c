"""Lists of an API server, page by page.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
"""

from collections.abc import AsyncGenerator
from typing import Any, Final

from xds.kubeapi.interface import Api
from xds.kubeapi.outage import Declined

SIZE: Final = 250
"""Objects in a page: what is decoded in one go, while everything else waits."""

TIMEOUT: Final = 30.0


async def every(api: Api, path: str, selector: str = "") -> AsyncGenerator[dict[str, Any], None]:
    """All objects of a collection, or those that a field selector chooses.

    Raises:
        ApiUnavailable: there was no answer in time.
        Declined: the answer is another one, e.g. 410 for a list that took too long: begin anew.
    """
    params = {"limit": str(SIZE)} | ({"fieldSelector": selector} if selector else {})
    while True:
        status, page = await api.request("GET", path, params=params, timeout=TIMEOUT)
        if status != 200:
            raise Declined(status, page)
        for each in page.get("items") or ():
            yield each
        if not (more := (page.get("metadata") or {}).get("continue")):
            return
        params["continue"] = more


async def find(api: Api, path: str, name: str) -> dict[str, Any] | None:
    """One object of a collection; None if there is none of that name. It takes no right but to list.

    Raises:
        as `every`.
    """
    found = [each async for each in every(api, path, f"metadata.name={name}")]
    return found[0] if found else None
