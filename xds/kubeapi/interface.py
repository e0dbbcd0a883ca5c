"""The part of an API server's client that writers need. `client.ApiClient` is the real one."""

from collections.abc import Mapping
from typing import Any, Final, Protocol

JSON: Final = "application/json"
MERGE_PATCH: Final = "application/merge-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"
"""Server-side apply: creates the object, or changes the fields that differ. JSON is YAML.
https://kubernetes.io/docs/reference/using-api/server-side-apply/
"""


class ApiUnavailable(Exception):  # noqa: N818 -- not an error of the program
    """The API server gave no answer, or none in time. Whether a write took place is unknown."""


class Api(Protocol):
    """Sends single requests, without retries."""

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        content_type: str = JSON,
        params: Mapping[str, str] | None = None,
        timeout: float = 10,  # noqa: ASYNC109 -- includes the wait for a connection
    ) -> tuple[int, dict[str, Any]]:
        """The HTTP status and the JSON body of the answer, {} for an answer without body.

        Args:
            method: GET, POST, PATCH …
            path: Begins with `/api` or `/apis`.
            body: Sent as JSON.
            content_type: Of the body; selects the kind of a patch.
            params: The query.
            timeout: Seconds for the whole exchange.

        Raises:
            ApiUnavailable: no answer came in time.
        """
        ...
