"""Removal of secrets from the archive of `xds collect`, after the server has left out all that it knows.

Values of annotations and lines of logs are text of users: text that looks like a secret is replaced.
"""

import re
from typing import Any, Final

from xds.problems.redaction import REDACTED, scrub_text

_TELLING: Final = re.compile(r"auth|token|key|secret|passw|cookie|credential|session|signature", re.IGNORECASE)
"""Parts of the names of headers whose values are secrets."""


def scrub(value: Any) -> Any:
    """The JSON value without secrets in texts, and without the values of headers whose name suggests a secret."""
    if isinstance(value, dict):
        if _is_header(value) and _TELLING.search(str(value.get("key") or value.get("name"))):
            return {each: item if each in ("key", "name") else REDACTED for each, item in value.items()}
        return {key: scrub(item) for key, item in value.items()}
    if isinstance(value, list):
        return [scrub(item) for item in value]
    return scrub_text(value) if isinstance(value, str) else value


def _is_header(value: dict[str, Any]) -> bool:
    """Whether the object is a HeaderValue of Envoy, or a pair of name and value."""
    return value.keys() in ({"key", "value"}, {"key", "raw_value"}, {"name", "value"})
