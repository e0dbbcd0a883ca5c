"""Annotations that are not built yet. Those that protect close the paths; the others have no effect."""

from collections.abc import Callable
from typing import Final

from xds.translate.nginx.annotation import Annotation, AnyAnnotation, Scope, Verdict
from xds.translate.nginx.grammars import ANYTHING


def _planned(
    family: str, names: str, protects: Callable[[str], bool] | None = None, scope: Scope = Scope.PATH
) -> tuple[AnyAnnotation, ...]:
    return tuple(
        Annotation(name, family, ANYTHING, scope=scope, verdict=Verdict.NOT_YET, protects=protects)
        for name in names.split()
    )


ANNOTATIONS: Final = (*_planned("protocols", "ssl-passthrough"),)
