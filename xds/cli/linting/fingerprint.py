"""Fingerprints, by which services recognize a result of an earlier run although lines have moved.

GitHub compares `primaryLocationLineHash`: the hash of a line with the text that follows, as
https://github.com/github/codeql-action/blob/v4/src/fingerprints.ts computes it. A value that differs from GitHub's own
would be a warning of each upload.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Final

from xds.cli.linting.finding import Finding

LINE_HASH_CHARACTERS: Final = 100
"""The characters from the start of a line that count, without spaces and tabs, in UTF-16."""

_END: Final = "\uffff"
_FACTORS: Final = tuple(pow(37, LINE_HASH_CHARACTERS - 1 - index, 2**64) for index in range(LINE_HASH_CHARACTERS))
_SURROGATED: Final = re.compile("[\U00010000-\U0010ffff]")


def problem_fingerprints(found: Iterable[Finding]) -> list[str]:
    """A fingerprint of each finding: the same as long as file, object, field and reason stay the same, on any line."""
    prints: list[str] = []
    seen = Counter[str]()
    for each in found:
        known = "\0".join((each.file, each.problem.reason, each.subject))
        seen[known] += 1
        prints.append(sha256(f"{known}\0{seen[known]}".encode(errors="replace")).hexdigest()[:32])
    return prints


def line_hashes(raw: bytes) -> Callable[[int], str]:
    """The function from the number of a line of a text to GitHub's hash of the line; empty for a line beyond."""
    text = raw.decode(errors="replace").replace("\r\n", "\n").replace("\r", "\n")
    text = _SURROGATED.sub(_pair, re.sub("[ \t]", "", text)) + _END
    starts = [0, *(match.end() for match in re.finditer("\n", text))]
    windows = [text[start : start + LINE_HASH_CHARACTERS] for start in starts]

    def of_line(number: int) -> str:
        if number > len(windows):
            return ""
        window = windows[number - 1]
        value = sum(ord(sign) * factor for sign, factor in zip(window, _FACTORS, strict=False)) % 2**64
        return f"{value:x}:{windows[:number].count(window)}"

    return of_line


def _pair(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be")
    return "".join(chr(int.from_bytes(units[start : start + 2])) for start in (0, 2))
