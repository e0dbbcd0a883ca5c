"""Authorizers: auth-url and its companions."""

from typing import Final

from xds.traffic.authorizer import Authorizer
from xds.translate.nginx.annotation import AnyAnnotation
from xds.translate.nginx.named_objects import NamedObjects, Unavailable
from xds.translate.nginx.reader import AnnotationReader

ANNOTATIONS: Final[tuple[AnyAnnotation, ...]] = ()


def read(reader: AnnotationReader, objects: NamedObjects) -> Authorizer | Unavailable | None:  # noqa: ARG001
    """The authorizer that is asked; None without."""
    return None


def by_default(reader: AnnotationReader) -> Authorizer | Unavailable | None:  # noqa: ARG001
    """The authorizer of Ingresses without annotations (global-auth-url); None without."""
    return None
