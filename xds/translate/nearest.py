"""The nearest known name of a misspelt one."""

import difflib
from functools import lru_cache


@lru_cache(maxsize=4096)
def nearest(name: str, known: tuple[str, ...]) -> str:
    """The known name that a misspelt one is most like; empty if none is like it. Takes milliseconds."""
    return next(iter(difflib.get_close_matches(name[:80], known, n=1)), "")
