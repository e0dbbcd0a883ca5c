"""Durations of the Gateway API, such as `1h30m` or `500ms`.

Source: https://gateway-api.sigs.k8s.io/geps/gep-2257/
"""

import re
from datetime import timedelta
from typing import Final

_DURATION: Final = re.compile(r"(?:[0-9]{1,5}(?:h|ms|m|s)){1,4}")
_PART: Final = re.compile(r"([0-9]+)(h|ms|m|s)")
_UNITS: Final = {
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
    "s": timedelta(seconds=1),
    "ms": timedelta(milliseconds=1),
}


def duration(text: str) -> timedelta | None:
    """The duration; None for other text."""
    if not _DURATION.fullmatch(text):
        return None
    return sum((int(number) * _UNITS[unit] for number, unit in _PART.findall(text)), timedelta())


def duration_text(time: timedelta) -> str:
    """A duration in the words of the API, to the millisecond."""
    rest = time // _UNITS["ms"]
    parts = []
    for unit, size in _UNITS.items():
        number, rest = divmod(rest, size // _UNITS["ms"])
        parts += [f"{number}{unit}"] if number else []
    return "".join(parts) or "0s"
