"""Annotations that are not built yet. Those that protect close the paths; the others have no effect."""

from typing import Final

from xds.translate.nginx.annotation import Annotation, AnyAnnotation, Verdict
from xds.translate.nginx.grammars import ANYTHING

ANNOTATIONS: Final[tuple[AnyAnnotation, ...]] = (
    Annotation("ssl-passthrough", "protocols", ANYTHING, "false", verdict=Verdict.NOT_YET),
)
