"""Durations in our own annotations: `500ms`, `15s`, `2m`, `1h`."""

import re
from datetime import timedelta
from typing import Final

from xds.translate.nginx.annotation import InvalidValueError

_DURATION: Final = re.compile(r"([0-9]{1,9})(ms|s|m|h)")
_UNITS: Final = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
}


def duration(text: str) -> timedelta:
    """The duration.

    Raises:
        InvalidValueError: the text is none.
    """
    matched = _DURATION.fullmatch(text.strip())
    if matched is None:
        raise InvalidValueError
    return int(matched[1]) * _UNITS[matched[2]]
