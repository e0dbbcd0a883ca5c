"""The nearest known name of a misspelt one."""

import difflib
from collections.abc import Iterable


def nearest(name: str, known: Iterable[str]) -> str:
    """The known name that a misspelt one is most like; empty if none is like it. Takes milliseconds."""
    return next(iter(difflib.get_close_matches(name[:80], list(known), n=1)), "")
