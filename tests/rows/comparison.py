"""The comparison of an answer with an expectation."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

_BY_NAME: Final = ("headers", "backend_headers", "tls", "trailers")
_COUNTS: Final = {"statuses": "status", "backends": "backend"}
_TEXT: Final = ("backend", "path", "backend_headers", "backend_host", "backend_body_text")
_RANGES: Final = ("elapsed", "size", "body_seen")


def differences(
    expected: Mapping[str, Any], got: Mapping[str, Any], previous: Sequence[Mapping[str, Any]]
) -> list[str]:
    """The parts of an expectation that an answer does not meet.

    Args:
        expected: By part; a value is exact, null (absent), {"re": …} or {"not": …}.
        got: The answer.
        previous: The answers to the requests before.
    """
    return [
        f"{part}: want {json.dumps(want)[:160]}, got {json.dumps(have)[:160]}"
        for part, want, have in _different(expected, got, previous)
    ]


def _different(
    expected: Mapping[str, Any], got: Mapping[str, Any], previous: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, Any, Any]]:
    for part, want in expected.items():
        if part == "only_these":
            continue
        if part in _BY_NAME:
            have = got.get(part) or {}
            found = [(name, value, have.get(name if part == "tls" else name.lower())) for name, value in want.items()]
            yield from ((f"{part}.{name}", value, each) for name, value, each in found if not matches(value, each))
        elif part in _COUNTS:
            counted = got.get(part) or {str(got.get(_COUNTS[part])): 1}
            if not _are_counts(want, counted, only_these=expected.get("only_these", True)):
                yield part, want, counted
        elif part == "last":
            last = got.get("last") or got
            yield from (
                (f"last.{name}", v, last.get(name)) for name, v in want.items() if not matches(v, last.get(name))
            )
        elif not _meets(part, want, got, previous, expected):
            yield part, want, got.get(part, got.get("error"))


def _meets(
    part: str,
    want: Any,
    got: Mapping[str, Any],
    previous: Sequence[Mapping[str, Any]],
    expected: Mapping[str, Any],
) -> bool:
    have = got.get(part)
    if part == "body_re":
        return re.search(want, _text(got), re.DOTALL) is not None
    if part in _RANGES and isinstance(want, list):
        return have is not None and want[0] <= have <= want[1]
    if part == "same_backend":
        before = previous[-1].get("backend") if previous else None
        return (got.get("backend") == before) is bool(want)
    for counts, of in _COUNTS.items():
        if part == of and got.get("n", 1) > 1 and counts not in expected:
            return set(got[counts]) == {str(want)}
    if part == "error":
        if isinstance(want, str | dict):
            return matches(want if isinstance(want, dict) else {"re": want}, have)
        return bool(have) is bool(want)
    return matches(want, have)


def _are_counts(want: Mapping[str, Any], counted: Mapping[str, int], *, only_these: bool) -> bool:
    bounds = {str(name): each if isinstance(each, list) else [each, each] for name, each in want.items()}
    within = all(low <= counted.get(name, 0) <= high for name, (low, high) in bounds.items())
    return within and not (only_these and counted.keys() - bounds.keys())


def _text(got: Mapping[str, Any]) -> str:
    if got.get("body") is not None:
        return str(got["body"])
    return json.dumps({name: got.get(name) for name in _TEXT})


def matches(want: Any, have: Any) -> bool:
    """Whether a value is as wanted. Of several values of a header, one suffices."""
    if isinstance(want, dict) and "re" in want:
        values = have if isinstance(have, list) else [have]
        return any(re.search(want["re"], str(each), re.DOTALL) for each in values if each is not None)
    if isinstance(want, dict) and "not" in want:
        return not matches(want["not"], have)
    if isinstance(want, list) and not isinstance(have, list):
        return have in want
    if isinstance(have, list) and not isinstance(want, list):
        return want in have or want == ", ".join(map(str, have))
    if isinstance(want, str) and have is not None and not isinstance(have, str):
        return want == str(have)
    return bool(want == have)
