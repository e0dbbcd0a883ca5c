"""docs/annotations.md, written from the registries of annotations."""

from pathlib import Path
from typing import Final

from xds.translate.nginx.annotation import AnyAnnotation, Verdict
from xds.translate.nginx.registry import ANNOTATIONS
from xds.translate.own import registry, service

PAGE: Final = Path(__file__).parents[2] / "docs" / "annotations.md"

_INTRODUCTION: Final = """\
# Annotations

## Annotations of ingress-nginx

Names stand for `nginx.ingress.kubernetes.io/NAME`.

- A bad value is the problem `AnnotationInvalid`: the annotation counts as absent, and its paths are served,
  unless the annotation protects.
- An unknown name is the problem `AnnotationUnknown`, with the nearest known name.
- An annotation marked *protects* never opens a path by having no effect. Unless the annotation can be honoured, the
  paths of its Ingress, its default backend among them, answer 503 (403 for client certificates) with a problem such as
  `ProtectionUnavailable`. With scope host all paths of its hosts do, and so they do if one of its paths is left out.
  Addresses, passwords and client certificates are examples.
- `xds serve --ignore-annotation NAME` takes an annotation for absent on all Ingresses, with the problem
  `AnnotationIgnored`. Paths that the annotation protects are open then.
- `%2F` is no slash in any comparison of paths: `/admin%2Fx` is not below `/admin`, and answers by another path of its
  host, if one matches. ingress-nginx decodes paths first. Protect the path `/` of a Service whose application decodes.
- Where several Ingresses name one host, path and type, the oldest has the path with all its annotations.

This page is generated from xds/translate/nginx and xds/translate/own by `make generate`.

| Annotation | Value | Default | Scope | Here |
|---|---|---|---|---|
"""


_OWN: Final = """
## Our own annotations

Names stand for `xds-ingress.dev/NAME`. On an Ingress, beside an annotation of ingress-nginx for the same thing, ours
counts, with the problem `AnnotationOverridden`; `--ignore-annotation` takes the full name.

| Annotation | On | Value | Default |
|---|---|---|---|
"""


def text() -> str:
    rows = "".join(_row(ANNOTATIONS[name]) for name in sorted(ANNOTATIONS))
    own = "".join(_own_row(registry.ANNOTATIONS[name], "Ingress") for name in sorted(registry.ANNOTATIONS))
    of_services = "".join(_own_row(each, "Service") for each in sorted(service.ANNOTATIONS, key=lambda each: each.name))
    return _INTRODUCTION + rows + _OWN + own + of_services


def _own_row(annotation: AnyAnnotation, on: str) -> str:
    protects = "; a bad value closes the paths" if annotation.protects else ""
    cells = (on, annotation.grammar.words + protects, annotation.default)
    return f"| `{annotation.name}` | {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |\n"


def _row(annotation: AnyAnnotation) -> str:
    here = "not yet" if annotation.verdict is Verdict.NOT_YET else str(annotation.verdict)
    note = f": {annotation.note}" if annotation.note else ""
    protects = "; protects" if annotation.protects else ""
    remedy = f". {annotation.remedy}" if annotation.remedy else ""
    cells = (annotation.grammar.words, annotation.default, annotation.scope, f"{here}{protects}{note}{remedy}")
    return f"| `{annotation.name}` | {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |\n"
