"""Links of the documents to other sites; `python -m` asks for each page, which needs a network.

Exit codes: 0 every address answers, 1 some do not, 3 no site can be reached.
"""

import re
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

ROOT: Final = Path(__file__).parents[2]

DOCUMENTS: Final = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("k8s/**/*.md")})

HOSTS: Final = frozenset(
    {
        "argo-cd.readthedocs.io",
        "artifacthub.io",
        "cert-manager.io",
        "gateway-api.sigs.k8s.io",
        "github.com",
        "go.dev",
        "helm.sh",
        "httpoxy.org",
        "keepachangelog.com",
        "kubernetes.github.io",
        "kubernetes.io",
        "prometheus.io",
        "semver.org",
        "www.envoyproxy.io",
        "www.rfc-editor.org",
        "www.w3.org",
    }
)
"""The sites that documents may lead to. A new one is added here after somebody has opened its page."""

TIMEOUT_SECONDS: Final = 20.0
AT_ONCE: Final = 8

_LINK: Final = re.compile(r"\]\((https?://[^)\s]+)\)|<(https?://[^>\s]+)>")
_OURS: Final = re.compile(r"(^|\.)(localhost|example|example\.(com|net|org)|test)$|^127\.")
"""Names that belong to nobody, or to this machine."""


def external_links(documents: Iterable[Path] = DOCUMENTS) -> Iterator[tuple[Path, str]]:
    """The addresses of links, by document. Addresses in code are no links."""
    for document in documents:
        text = re.sub(r"```.*?```|`[^`\n]*`", "", document.read_text(encoding="utf-8"), flags=re.DOTALL)
        for first, second in _LINK.findall(text):
            if not _OURS.search(urlsplit(first or second).hostname or ""):
                yield document, first or second


def fault(url: str) -> str:
    """Why an address has no page; empty if it has one."""
    request = urllib.request.Request(url, headers={"User-Agent": "links of documents"})
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):
            return ""
    except urllib.error.HTTPError as error:
        return "" if error.code == HTTPStatus.TOO_MANY_REQUESTS else f"{error.code} {error.reason}"
    except (OSError, ValueError) as error:
        return str(error)


def main() -> int:
    found = {url: document for document, url in external_links()}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        faults = {url: text for url, text in zip(found, pool.map(fault, found), strict=True) if text}
    for url, text in faults.items():
        print(f"{found[url].relative_to(ROOT)}: {url}: {text}")
    if len(faults) == len(found):
        print("no site can be reached: run this where there is a network", file=sys.stderr)
        return 3
    print(f"{len(found) - len(faults)} of {len(found)} links lead to a page")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
