"""Paths written as patterns: globs and regular expressions, which other controllers match and an Ingress has not.

For paths that are compared literally. Source: https://kubernetes.io/docs/concepts/services-networking/ingress/#path-types
"""

import re
from typing import Final

from xds.problems.text import shown

_SIGNS: Final = re.compile(r"[*|^\\]|\([^()]*\)|\[[^\[\]]*\]|\{[^{}]*\}|[.)\]]\+|[)\]]\?|/\?(?=[($]|$)|\$(?=\)|$)")
"""Signs of a pattern. A `$` that isn't last is a character of real paths (`/$metadata` of OData), and a `?` begins a
query.
"""

_TAIL: Final = re.compile(r"(\(/\|\$\)|\(/\??\)\??|\(/\.[*+]\)\??|/?\(\.[*+]\)\??|\.[*+]\??|/\?|\*|\$)$")
"""The last part of a pattern that stands for "and everything below", as in `/a(/|$)(.*)`, `/a/.*` and `/a/*`."""

_TAIL_CHARACTERS: Final = 8

_CHOICE: Final = re.compile(r"([^()]*)\((?:\?:)?([^()]*\|[^()]*)\)([^()]*)")
_MAX_CHOICES: Final = 5

_GENERAL: Final = "Write each path literally, with pathType Prefix (also everything below) or Exact."


def looks_like_pattern(path: str) -> bool:
    """Whether the author of the path must have meant a glob or a regular expression."""
    return _SIGNS.search(path) is not None


def literal_instead(path: str) -> str:
    """The remedy: paths to write instead of a pattern, as far as they are certain."""
    head, path_type = path.removeprefix("^"), "Prefix"
    if _SIGNS.search(head.removesuffix("$")) is None:
        head, path_type = head.removesuffix("$"), "Exact"
    end = len(head)
    while tail := _TAIL.search(head, max(0, end - _TAIL_CHARACTERS), end):
        end = tail.start()
    paths = [shown(each) for each in _choices(head[:end])]
    if not paths:
        return _GENERAL
    written = f"path {paths[0]}" if len(paths) == 1 else f"the paths {', '.join(paths)}"
    below = "" if path_type == "Exact" else ", which matches everything below too"
    return f"Write {written} with pathType {path_type}{below}."


def _choices(pattern: str) -> list[str]:
    """The literal paths that a pattern with at most one group of alternatives stands for; empty if there are others."""
    choice = _CHOICE.fullmatch(pattern)
    paths = [f"{choice[1]}{each}{choice[3]}" for each in choice[2].split("|")] if choice else [pattern]
    paths = [path.rstrip("/") or "/" for path in paths]
    certain = all(path.startswith("/") and not looks_like_pattern(path) for path in paths)
    return paths if certain and len(paths) <= _MAX_CHOICES else []
