"""What the writers need of an API server. `api_client` is the real one."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"


class ApiUnavailable(Exception):  # noqa: N818 -- not an error of the program
    """The API server didn't answer, or not in time, or not now. Whether it did what was asked is unknown."""


class Api(Protocol):
    """One request, one answer; nothing is retried."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        content_type: str = JSON,
        params: Mapping[str, str] | None = None,
        timeout: float = 10,  # noqa: ASYNC109 -- covers waiting for a connection too
    ) -> tuple[int, dict[str, Any]]:
        """The HTTP status and the JSON body of the answer, {} if there is none.

        Args:
            method: GET, POST, PATCH …
            path: From `/api` or `/apis` on.
            body: Sent as JSON.
            content_type: Of the body; which kind of patch it is.
            params: The query.
            timeout: Seconds for all of it.

        Raises:
            ApiUnavailable: there was no answer in time.
        """
        ...
