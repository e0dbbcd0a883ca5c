"""The backends that annotations of an Ingress name, beside those of its paths."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from xds.problems.problem import Key
from xds.translate.nginx import error_pages, mirroring
from xds.translate.nginx.error_pages import DefaultBackend
from xds.translate.nginx.mirroring import MirrorTarget
from xds.translate.nginx.reader import AnnotationReader


@dataclass(frozen=True, slots=True)
class AskedBackends:
    """The backends as written, whether or not they exist. None: none is asked for.

    Attributes:
        mirror: Gets copies of requests.
        default: Answers in place of errors.
    """

    mirror: MirrorTarget | None = None
    default: DefaultBackend | None = None

    def services(self, namespace: str) -> Iterator[Key]:
        """The Services that an Ingress of the namespace names."""
        if self.mirror and self.mirror.service:
            yield self.mirror.service
        if self.default:
            yield Key(namespace, self.default.service)


NO_BACKENDS: Final = AskedBackends()


def read(reader: AnnotationReader) -> AskedBackends:
    asked = AskedBackends(mirroring.read(reader), error_pages.read(reader))
    return asked if asked != NO_BACKENDS else NO_BACKENDS
