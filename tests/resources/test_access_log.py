"""The fields of the access log, as the document has them.

Excludes: the log of a real Envoy (tests/e2e/test_logs_and_traces.py).
"""

import re
from pathlib import Path
from typing import Final

from xds.resources.access_log import ACCESS_LOG_FIELDS, FURTHER_FIELDS
from xds.resources.layer4.access_log import CONNECTION_FIELDS, SESSION_FIELDS

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "access-log.md"


def test_the_document_has_every_field() -> None:
    assert named("Fields") == sorted([*ACCESS_LOG_FIELDS, *FURTHER_FIELDS, "request.NAME", "response.NAME"])
    assert named("Connections and sessions") == sorted(
        {*CONNECTION_FIELDS, *SESSION_FIELDS, "protocol", "port", "service"}
    )


def named(section: str) -> list[str]:
    """The fields in the first column of a section's tables."""
    text = DOCUMENT.read_text().partition(f"## {section}\n")[2].partition("\n## ")[0]
    rows = [line.split("|")[1] for line in text.splitlines() if line.startswith("|")]
    return sorted(field for row in rows for field in re.findall(r"`([\w.]+)`", row))
