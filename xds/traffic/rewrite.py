"""Rewrites of a request's path."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rewrite:
    r"""A path in place of that of the request. The query stays.

    Attributes:
        pattern: An expression of RE2 for the whole path of the request, with groups, or for a part of it that is
            replaced; empty: `path` is literal.
        path: The path, with `\1` to `\9` for the groups of the pattern.
        of_prefix: Whether a literal path replaces no more than the Prefix path of the route.
    """

    pattern: str
    path: str
    of_prefix: bool = False

    @property
    def is_whole(self) -> bool:
        """Whether the literal path replaces the whole path of the request."""
        return not (self.pattern or self.of_prefix)
