"""Regular expressions of paths, in the language RE2: the whole path matters, whatever the case of letters.

RE2 has no backtracking, so no expression is slow for any path: https://github.com/google/re2/wiki/Syntax
"""

from functools import lru_cache
from typing import Any, Final

import re2

DEFAULT_MAX_REGEX_SIZE: Final = 100
"""Envoy's default of re2.max_program_size.error_level, above which Envoy rejects an expression. Source:
https://www.envoyproxy.io/docs/envoy/latest/configuration/operations/runtime
"""

_SPECIAL: Final = frozenset("\\^$.|?*+()[]{}")
"""Characters of expressions. A path without any of these is compared without an expression."""

_MAX_MEMORY: Final = 2**20
"""Of an expression. Enough for programs of 10,000 steps; it takes tenths of a second to fill more."""


class RegexError(ValueError):
    """No expression of RE2. The text says why."""


def is_literal(path: str) -> bool:
    """Whether a path means itself."""
    return _SPECIAL.isdisjoint(path)


def whole_path(path: str) -> str:
    """The expression of request paths that begin with an expression, as nginx takes `location ~* ^PATH`.

    `^` holds for the first alternative only, as in nginx: `/a|/b` is `/a` at the beginning, or `/b` anywhere.
    """
    return f"(?is).*?(?:^{path}).*" if "|" in path else f"(?is){path}.*"


def found_anywhere(expression: str) -> str:
    """The expression of texts in which an expression is found, with the case of letters."""
    return f"(?s).*(?:{expression}).*"


def replaceable(path: str) -> str:
    """The expression that a rewrite replaces: the whole request path, with the groups of the path's own expression.

    A proxy replaces all matches in a request path, so the expression must take all of the request path.
    """
    return f"(?is)^.*?(?:{path}).*$"


def compiled(expression: str) -> Any:
    """The compiled expression, with `groups`, `programsize` and `fullmatch`.

    Raises:
        RegexError: not an expression of RE2, or too large a one.
    """
    found = _compiled(expression)
    if isinstance(found, str):
        raise RegexError(found)
    return found


@lru_cache(maxsize=4096)
def _compiled(expression: str) -> Any:
    """The compiled expression, or why there is none."""
    options = re2.Options()
    options.log_errors = False
    options.max_mem = _MAX_MEMORY
    try:
        return re2.compile(expression, options)
    except re2.error as error:
        text = error.args[0] if error.args else ""
        return text.decode(errors="replace") if isinstance(text, bytes) else str(text)


def matches(path: str, request_path: str) -> bool:
    """Whether a request path begins with a path in the language of expressions, whatever the case of letters."""
    if is_literal(path):
        return request_path.lower().startswith(path.lower())
    return compiled(whole_path(path)).fullmatch(request_path) is not None
