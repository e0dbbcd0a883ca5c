"""Whether one condition of access suffices: satisfy."""

from typing import Final

from xds.traffic.access import Access
from xds.translate.nginx.annotation import AnyAnnotation
from xds.translate.nginx.named_objects import Unavailable
from xds.translate.nginx.reader import AnnotationReader

ANNOTATIONS: Final[tuple[AnyAnnotation, ...]] = ()


def joined(reader: AnnotationReader, access: Access) -> Access | Unavailable:  # noqa: ARG001
    """The conditions as they go together."""
    return access
