"""Basic authentication: auth-type, auth-secret, auth-secret-type, auth-realm."""

from typing import Final

from xds.problems.problem import Key
from xds.traffic.access import Passwords
from xds.translate.nginx.annotation import AnyAnnotation
from xds.translate.nginx.named_objects import NamedObjects, Unavailable
from xds.translate.nginx.reader import AnnotationReader

ANNOTATIONS: Final[tuple[AnyAnnotation, ...]] = ()


def read(
    reader: AnnotationReader,  # noqa: ARG001
    objects: NamedObjects,  # noqa: ARG001
    ingress: Key,  # noqa: ARG001
    *,
    has_authz: bool,  # noqa: ARG001
) -> Passwords | Unavailable | None:
    """The passwords that are asked for; None without."""
    return None
