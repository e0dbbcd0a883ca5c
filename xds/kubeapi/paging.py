"""Lists of an API server, page by page.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks
"""

from collections.abc import AsyncGenerator
from typing import Any, Final

from xds.kubeapi.interface import Api
from xds.kubeapi.outage import TemporaryFailure

PAGE_SIZE: Final = 250
"""Objects in a page. A page is decoded in one go, while all other tasks wait."""

PAGE_TIMEOUT_SECONDS: Final = 30.0


async def list_all(
    api: Api, path: str, field_selector: str = "", *, label_selector: str = ""
) -> AsyncGenerator[dict[str, Any], None]:
    """All objects of a collection, or the objects that selectors choose.

    Raises:
        ApiUnavailable: no answer came in time.
        TemporaryFailure: the status is not 200, e.g. 410 for a list that took too long; list again from the start.
    """
    selectors = {"fieldSelector": field_selector, "labelSelector": label_selector}
    params = {"limit": str(PAGE_SIZE)} | {name: value for name, value in selectors.items() if value}
    while True:
        status, page = await api.request("GET", path, params=params, timeout=PAGE_TIMEOUT_SECONDS)
        if status != 200:
            raise TemporaryFailure(status, page)
        for each in page.get("items") or ():
            yield each
        if not (more := (page.get("metadata") or {}).get("continue")):
            return
        params["continue"] = more


async def find_by_name(api: Api, path: str, name: str) -> dict[str, Any] | None:
    """The object of a name in a collection; None if no object has the name. Needs no permission but `list`.

    Raises:
        ApiUnavailable, TemporaryFailure: as `list_all`.
    """
    found = [each async for each in list_all(api, path, f"metadata.name={name}")]
    return found[0] if found else None
