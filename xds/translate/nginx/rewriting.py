"""use-regex, rewrite-target, x-forwarded-prefix and app-root.

Source: https://kubernetes.github.io/ingress-nginx/user-guide/ingress-path-matching/
"""

import re
from dataclasses import dataclass, replace
from typing import Final

from xds.problems.reasons import Reason
from xds.traffic.policy import Policy
from xds.traffic.regex import compiled, is_literal, replaceable
from xds.traffic.rewrite import Rewrite
from xds.translate.nginx.annotation import Annotation, Scope, Verdict
from xds.translate.nginx.grammars import BOOLEAN, matching
from xds.translate.nginx.reader import AnnotationReader

_FAMILY: Final = "rewriting"
_CHARACTERS: Final = "letters, digits and - . _ ~ / :"

USE_REGEX: Final = Annotation(
    "use-regex",
    _FAMILY,
    BOOLEAN,
    "false",
    Scope.HOST,
    Verdict.APPROXIMATE,
    "expressions are RE2's, which has no lookaround and no back references; a path with one is left out",
)
REWRITE_TARGET: Final = Annotation(
    "rewrite-target",
    _FAMILY,
    matching(f"a path of {_CHARACTERS} with groups $1 to $9", r"(?!https?://)/?([A-Za-z0-9._~/:-]|\$[1-9])*"),
    verdict=Verdict.APPROXIMATE,
    note="an encoded slash stays encoded; URLs and variables of nginx are bad values",
)
X_FORWARDED_PREFIX: Final = Annotation(
    "x-forwarded-prefix",
    _FAMILY,
    matching(f"a path of {_CHARACTERS}", r"/?[A-Za-z0-9._~/:-]*"),
    verdict=Verdict.APPROXIMATE,
    note="groups are bad values",
)
APP_ROOT: Final = Annotation(
    "app-root",
    _FAMILY,
    matching(f"a path of {_CHARACTERS}, and not / alone", r"/[A-Za-z0-9._~/:-]+"),
    scope=Scope.HOST,
    verdict=Verdict.APPROXIMATE,
    note="of two on a host, that of the older Ingress counts",
)
ANNOTATIONS: Final = (USE_REGEX, REWRITE_TARGET, X_FORWARDED_PREFIX, APP_ROOT)

_GROUP: Final = re.compile(r"\$([1-9])")


@dataclass(frozen=True, slots=True)
class Rewriting:
    """The rewriting that an Ingress asks for.

    Attributes:
        use_regex: Whether the paths of all its hosts are regular expressions.
        target: Replaces the path of a request; empty: nothing does.
        prefix: The header x-forwarded-prefix of rewritten requests; empty: the client's.
        app_root: Where requests for `/` of its hosts are redirected to; empty: nowhere.
    """

    use_regex: bool = False
    target: str = ""
    prefix: str = ""
    app_root: str = ""

    def asks_for_regex(self, path: str, path_type: str) -> bool:
        """Whether a path of the Ingress makes expressions of all paths of its host."""
        return self.use_regex or self._applies(path, path_type)

    def applied(self, policy: Policy, path: str, path_type: str) -> Policy:
        """A policy with the rewrite of a path as written, which must be an expression of RE2."""
        if not self._applies(path, path_type):
            return policy
        rewrite = _rewrite_below(path) if path == self.target else _rewrite(path, self.target)
        return replace(policy, rewrite=rewrite, forwarded_prefix=self.prefix)

    def _applies(self, path: str, path_type: str) -> bool:
        """Whether the target changes any request. The path itself as a target changes those for paths below.

        For a path that ends in a slash, nginx has no location but that of the target.
        """
        return bool(self.target) and (self.target != path or (path_type != "Exact" and not path.endswith("/")))


NO_REWRITING: Final = Rewriting()


def read(reader: AnnotationReader) -> Rewriting:
    target = reader.get(REWRITE_TARGET) or ""
    prefix = reader.get(X_FORWARDED_PREFIX) or ""
    if prefix and not target:
        reader.report(
            X_FORWARDED_PREFIX.full_name,
            Reason.ANNOTATION_UNSUPPORTED,
            "x-forwarded-prefix has no effect without rewrite-target, in ingress-nginx too",
            "Add rewrite-target, or remove x-forwarded-prefix.",
        )
    return Rewriting(reader.get(USE_REGEX) or False, target, prefix, reader.get(APP_ROOT) or "")


def _rewrite_below(path: str) -> Rewrite:
    """The rewrite to the path itself. Longer words, which the path's expression matches too, stay as they are."""
    return Rewrite(f"(?is)^{path}/.*$", _rooted(path))


def _rewrite(path: str, target: str) -> Rewrite:
    """The rewrite of a path. Groups that the path doesn't have are empty, as in nginx."""
    groups = 0 if is_literal(path) else compiled(path).groups
    if not any(int(group) <= groups for group in _GROUP.findall(target)):
        return Rewrite("", _rooted(_GROUP.sub("", target)))
    substitution = _GROUP.sub(lambda group: rf"\{group[1]}" if int(group[1]) <= groups else "", target)
    return Rewrite(replaceable(path), _rooted(substitution))


def _rooted(path: str) -> str:
    return path if path.startswith(("/", "\\")) else f"/{path}"
