"""Forms of the parts of requests."""

import re
from typing import Final

TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}")
"""Names of headers. Source: https://www.rfc-editor.org/rfc/rfc9110#section-5.6.2"""

HEADER_VALUE: Final = re.compile(r"[\t\x20-\x7e\x80-\ud7ff\ue000-\U0010ffff]{1,4096}")
