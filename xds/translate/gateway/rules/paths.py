"""Changes of a request's path, in redirects and for backends.

Source: https://gateway-api.sigs.k8s.io/reference/spec/#httppathmodifier
"""

import re
from typing import Final

from xds.problems.field_path import FieldPath
from xds.problems.text import shown
from xds.traffic.regex import compiled
from xds.traffic.rewrite import Rewrite
from xds.traffic.routes import PathType
from xds.translate.gateway.rules.filters import PathChange, invalid
from xds.translate.names import canonical

_PATH: Final = re.compile(r"[^\x00-\x1f\x7f?#\ud800-\udfff]{0,4096}")


def path_change(change: PathChange, path: str, path_type: PathType, max_program_size: int) -> Rewrite | None:
    """The change for a route; None if the path stays.

    Args:
        change: As written.
        path: Of the route.
        path_type: Of the route.
        max_program_size: The size of a compiled expression above which Envoy rejects the expression.

    Raises:
        InvalidRuleError: the change can't be followed.
    """
    written, at = change
    match written.type:
        case "ReplaceFullPath" if written.replace_full_path is not None:
            text = _path(written.replace_full_path, at.child("replaceFullPath"))
            return Rewrite("", text if text.startswith("/") else f"/{text}")
        case "ReplacePrefixMatch" if written.replace_prefix_match is not None:
            if path_type is not PathType.PREFIX:
                raise invalid("ReplacePrefixMatch needs a match of type PathPrefix", at.child("type"))
            text = _path(written.replace_prefix_match, at.child("replacePrefixMatch"))
            return _of_prefix(path.rstrip("/"), text.strip("/"), at, max_program_size)
    raise invalid(f"type {shown(written.type)} is neither ReplaceFullPath nor ReplacePrefixMatch with a value", at)


def _of_prefix(prefix: str, text: str, at: FieldPath, max_program_size: int) -> Rewrite | None:
    """The change of a prefix. What follows the prefix begins with a slash, or is nothing."""
    if text:
        return Rewrite("", f"/{text}" if prefix else f"/{text}/", of_prefix=True)
    if not prefix:
        return None
    pattern = f"^{re.escape(prefix)}(?:/|$)"  # Envoy replaces no prefix by nothing
    if compiled(pattern).programsize > max_program_size:
        raise invalid("the prefix is too long to be taken away", at)
    return Rewrite(pattern, "/")


def _path(text: str, at: FieldPath) -> str:
    if not _PATH.fullmatch(text):
        raise invalid(f"{shown(text)} is no path", at)
    return canonical(text)
