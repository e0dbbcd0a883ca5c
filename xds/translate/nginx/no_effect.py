"""Annotations with nothing to do on Envoy, each with the reason why nothing is lost."""

from typing import Final

from xds.translate.nginx.annotation import Annotation, AnyAnnotation, Verdict
from xds.translate.nginx.grammars import ANYTHING

_BUFFERS: Final = "Envoy takes response headers of 60 KiB, and streams bodies"


def _no_effect(name: str, note: str) -> AnyAnnotation:
    return Annotation(name, "buffers and logs", ANYTHING, verdict=Verdict.NO_EFFECT, note=note)


ANNOTATIONS: Final = (
    _no_effect("client-body-buffer-size", _BUFFERS),
    _no_effect("proxy-buffer-size", _BUFFERS),
    _no_effect("proxy-buffers-number", _BUFFERS),
    _no_effect("proxy-busy-buffers-size", _BUFFERS),
    _no_effect("proxy-max-temp-file-size", _BUFFERS),
    _no_effect("http2-push-preload", "nginx dropped HTTP/2 push, so the annotation has no effect there either"),
    _no_effect("enable-rewrite-log", "the annotation writes a debug log of nginx"),
    _no_effect("session-cookie-conditional-samesite-none", "browsers of 2019 needed the annotation"),
)
