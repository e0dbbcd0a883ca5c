"""Lists of client addresses: allowlist-source-range, whitelist-source-range, denylist-source-range."""

from typing import Final, TypeAlias

from xds.translate.nginx.annotation import AnyAnnotation
from xds.translate.nginx.named_objects import Unavailable
from xds.translate.nginx.reader import AnnotationReader

ANNOTATIONS: Final[tuple[AnyAnnotation, ...]] = ()

Networks: TypeAlias = tuple[str, ...] | None


def read(reader: AnnotationReader) -> tuple[Networks, Networks] | Unavailable:  # noqa: ARG001
    """The networks that are denied, and those that are allowed; None without a list."""
    return None, None
