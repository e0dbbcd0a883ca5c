"""The fields of the access log, as the document has them.

Excludes: the log of a real Envoy (tests/e2e/test_logs_and_traces.py).
"""

import re
from pathlib import Path
from typing import Final

from xds.resources.access_log import ACCESS_LOG_FIELDS, FURTHER_FIELDS

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "access-log.md"


def test_the_document_has_every_field() -> None:
    rows = [line.split("|")[1] for line in DOCUMENT.read_text().partition("## Fields")[2].splitlines() if "|" in line]
    named = [field for row in rows for field in re.findall(r"`([\w.]+)`", row)]
    assert sorted(named) == sorted([*ACCESS_LOG_FIELDS, *FURTHER_FIELDS, "request.NAME", "response.NAME"])
