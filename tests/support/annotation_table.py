"""docs/annotations.md, written from the registry of ingress-nginx's annotations."""

from pathlib import Path
from typing import Final

from xds.translate.nginx.annotation import AnyAnnotation, Verdict
from xds.translate.nginx.registry import ANNOTATIONS

PAGE: Final = Path(__file__).parents[2] / "docs" / "annotations.md"

_INTRODUCTION: Final = """\
# Annotations of ingress-nginx

Names stand for `nginx.ingress.kubernetes.io/NAME`.

- A bad value is the problem `AnnotationInvalid`: the annotation counts as absent, and its paths are served.
- An unknown name is the problem `AnnotationUnknown`, with the nearest known name.
- An annotation marked *protects* never opens a path by having no effect. Unless the annotation can be honoured, the
  paths of its Ingress, its default backend among them, answer 503 with the problem `ProtectionUnavailable`. With scope
  host all paths of its hosts do, and so they do if one of its paths is left out. Addresses, passwords and client
  certificates are examples.
- `xds serve --ignore-annotation NAME` takes an annotation for absent on all Ingresses, with the problem
  `AnnotationIgnored`. Paths that the annotation protects are open then.
- `%2F` is no slash in any comparison of paths: `/admin%2Fx` is not below `/admin`, and answers by another path of its
  host, if one matches. ingress-nginx decodes paths first. Protect the path `/` of a Service whose application decodes.
- Where several Ingresses name one host, path and type, the oldest has the path with all its annotations.

This page is generated from xds/translate/nginx by `make generate`.

| Annotation | Value | Default | Scope | Here |
|---|---|---|---|---|
"""


def text() -> str:
    return _INTRODUCTION + "".join(_row(ANNOTATIONS[name]) for name in sorted(ANNOTATIONS))


def _row(annotation: AnyAnnotation) -> str:
    here = "not yet" if annotation.verdict is Verdict.NOT_YET else str(annotation.verdict)
    note = f": {annotation.note}" if annotation.note else ""
    protects = "; protects" if annotation.protects else ""
    remedy = f". {annotation.remedy}" if annotation.remedy else ""
    cells = (annotation.grammar.words, annotation.default, annotation.scope, f"{here}{protects}{note}{remedy}")
    return f"| `{annotation.name}` | {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |\n"
