"""Annotations with nothing to do on Envoy, each with the reason why nothing is lost, or with what changes."""

from typing import Final

from xds.translate.nginx.annotation import Annotation, AnyAnnotation, Grammar, Verdict
from xds.translate.nginx.grammars import BOOLEAN, NATURAL, SIZE
from xds.translate.nginx.reader import AnnotationReader

_BUFFERS: Final = "Envoy streams bodies, and puts nothing on disk"
_HEADERS: Final = "no effect: response headers of 60 KiB pass, where more than the size is 502 in ingress-nginx"


def _no_effect(
    name: str, grammar: Grammar[int] | Grammar[bool], note: str, verdict: Verdict = Verdict.NO_EFFECT
) -> AnyAnnotation:
    return Annotation(name, "buffers and logs", grammar, verdict=verdict, note=note)


ANNOTATIONS: Final = (
    _no_effect("client-body-buffer-size", SIZE, _BUFFERS),
    _no_effect("proxy-buffer-size", SIZE, _HEADERS, Verdict.APPROXIMATE),
    _no_effect("proxy-buffers-number", NATURAL, _HEADERS, Verdict.APPROXIMATE),
    _no_effect("proxy-busy-buffers-size", SIZE, _HEADERS, Verdict.APPROXIMATE),
    _no_effect("proxy-max-temp-file-size", SIZE, _BUFFERS),
    _no_effect("http2-push-preload", BOOLEAN, "nginx dropped HTTP/2 push, so nothing happens there either"),
    _no_effect("enable-rewrite-log", BOOLEAN, "the annotation writes a debug log of nginx"),
    _no_effect("session-cookie-conditional-samesite-none", BOOLEAN, "browsers of 2019 needed the annotation"),
)


def check(reader: AnnotationReader) -> None:
    """Report bad values, for which ingress-nginx may leave the Ingress out."""
    for annotation in ANNOTATIONS:
        reader.get(annotation)
