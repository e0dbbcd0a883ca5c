"""docs/configmap.md, written from the registry of the keys of ingress-nginx's ConfigMap."""

from pathlib import Path
from typing import Final

from xds.translate.nginx.annotation import Verdict
from xds.translate.nginx.configmap.key import AnyKey, Section
from xds.translate.nginx.configmap.registry import KEYS

PAGE: Final = Path(__file__).parents[2] / "docs" / "configmap.md"

_INTRODUCTION: Final = """\
# The ConfigMap of ingress-nginx

`xds serve --nginx-configmap NAMESPACE/NAME` reads the ConfigMap that ingress-nginx was started with, and follows its
changes. `--compatibility ingress-nginx` takes the defaults of this page where a key is absent. Without that flag an
absent key changes nothing. A default that names an annotation's value counts for Ingresses without the annotation.

- A key that is described "as the annotation" is a value of that [annotation](annotations.md) for all Ingresses.
- An annotation precedes the key of the same name. Keys and `--compatibility` precede `--server-header`,
  `--upstream-idle-timeout`, `--https-min-version`, `--https-cipher`, `--trusted-hops` and `--proxy-protocol`.
- A bad value is the problem `ConfigKeyInvalid`, and its default counts. An unknown key is `ConfigKeyUnknown`, with the
  nearest known key; a key that nobody honours is `ConfigKeyUnsupported`. Each is a problem of the ConfigMap.
- A key marked *protects* never opens a path by having no effect. Unless it can be honoured, all paths answer 503 with
  the problem `ProtectionUnavailable`, but for those of Ingresses whose own annotation replaces the key.
  `--ignore-annotation KEY` takes the key for absent.
- While the content can't be read, the last one counts.
- A change of most keys changes Envoy's listeners: proxies drain their connections. A change of a default of
  annotations translates all Ingresses anew.
- `xds explain` foretells routes: it knows neither requests that block-* keys deny, nor the answer to `/healthz`.

This page is generated from xds/translate/nginx/configmap by `make generate`.
"""

_HEAD: Final = "| Key | Value | Default | Here |\n|---|---|---|---|\n"


def text() -> str:
    return _INTRODUCTION + "".join(map(_section, Section))


def _section(section: Section) -> str:
    rows = (_row(key) for key in sorted(KEYS.values(), key=lambda key: key.name) if key.section is section)
    return f"\n## {section}\n\n{_HEAD}{''.join(rows)}"


def _row(key: AnyKey) -> str:
    cells = [_AS_ANNOTATION, key.default or "none", _AS_ANNOTATION] if key.annotation else _cells(key)
    return f"| `{key.name}` | {' | '.join(cell.replace('|', '&#124;') for cell in cells)} |\n"


_AS_ANNOTATION: Final = "as the annotation"


def _cells(key: AnyKey) -> list[str]:
    here = "not yet" if key.verdict is Verdict.NOT_YET else str(key.verdict)
    note = f": {key.note}" if key.note else ""
    protects = "; protects" if key.protects else ""
    remedy = f". {key.remedy}" if key.remedy else ""
    return [key.grammar.words, key.default or "none", f"{here}{protects}{note}{remedy}"]
