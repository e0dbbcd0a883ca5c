"""Alert rules with shorter durations, for a test that can't wait for hours.

The one change of the file: each duration of `for`, `keep_firing_for`, `interval`, a range, a subquery and an `offset`
is divided by DIVISOR. Windows of ranges are at least MIN_WINDOW_MS, which rates need with a scrape each second.
Expressions, thresholds, labels and annotations stay.
"""

import json
import re
from typing import Any, Final

import yaml

DIVISOR: Final = 240
"""An hour becomes 15 s."""

MIN_WINDOW_MS: Final = 5000

_UNITS_MS: Final = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}

_DURATION: Final = r"(?:\d+(?:ms|[smhdw]))+"


def shortened(rules: str) -> str:
    """The text of a rules file, as JSON, which is YAML."""
    document = yaml.safe_load(rules)
    for group in document["groups"]:
        _divide(group, "interval")
        for rule in group["rules"]:
            _divide(rule, "for", "keep_firing_for")
            rule["expr"] = _expression(rule["expr"])
    return json.dumps(document, indent=1)


def _divide(holder: dict[str, Any], *names: str) -> None:
    for name in names:
        if name in holder:
            holder[name] = f"{milliseconds(holder[name])}ms"


def _expression(text: str) -> str:
    window = re.compile(rf"\[({_DURATION})(?::({_DURATION})?)?\]")
    text = window.sub(_window, text)
    return re.sub(rf"\boffset ({_DURATION})", lambda found: f"offset {milliseconds(found[1])}ms", text)


def _window(found: re.Match[str]) -> str:
    step = f":{milliseconds(found[2])}ms" if found[2] else ":" if ":" in found[0] else ""
    return f"[{max(milliseconds(found[1]), MIN_WINDOW_MS)}ms{step}]"


def milliseconds(duration: str) -> int:
    """A duration divided by DIVISOR."""
    parts = re.findall(r"(\d+)(ms|[smhdw])", duration)
    return sum(int(count) * _UNITS_MS[unit] for count, unit in parts) // DIVISOR
