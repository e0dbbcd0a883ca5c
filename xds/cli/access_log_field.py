"""Values of `--access-log-field`."""

import difflib
import re
from typing import Any, Final

import click

from xds.resources.access_log import (
    ACCESS_LOG_FIELDS,
    CREDENTIALS,
    FURTHER_FIELDS,
    REQUEST_HEADER,
    RESPONSE_HEADER,
)

_HEADER_NAME: Final = re.compile(r"[a-z0-9-]{1,64}")


class AccessLogField(click.ParamType):  # type: ignore[type-arg]  # not generic in every version
    """A field of the access log in JSON: a name, or a header of the request or of the response."""

    name = "NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        text, known = str(value).lower(), [*ACCESS_LOG_FIELDS, *FURTHER_FIELDS]
        if text in known:
            return text
        place, dot, header = text.partition(".")
        if f"{place}{dot}" not in (REQUEST_HEADER, RESPONSE_HEADER):
            close = difflib.get_close_matches(text, known, 1)
            further = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}, and request.HEADER"
            self.fail(f"{value!r} is no field of the access log: {further}", param, ctx)
        if not _HEADER_NAME.fullmatch(header):
            self.fail(f"{value!r}: {header!r} can't be the name of a header", param, ctx)
        if header in CREDENTIALS:
            self.fail(f"{value!r}: the header holds credentials, which no log may show", param, ctx)
        return text
