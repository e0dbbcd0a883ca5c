"""The documents agree with the tree: links resolve, named code exists, and cited protocol rules are written down.

Excludes: whether a sentence is true, and whether other sites have the pages (`make links`).
"""

import ast
import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from tests.support.external_links import HOSTS, external_links

ROOT: Final = Path(__file__).parent.parent
RULES: Final = ROOT / "docs" / "xds-rules.md"

DOCUMENTS: Final = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tests/**/*.md")})
ABOUT_CODE: Final = sorted({ROOT / "ARCHITECTURE.md", *ROOT.glob("docs/**/*.md")})

RULE: Final = r"\d+(?: \([a-z]\))?"
CITATION: Final = re.compile(rf"\b[Rr]ules? {RULE}(?:(?:,? and|,) (?:(?:rule )?{RULE}|\([a-z]\)))*")
CODE: Final = re.compile(r"`((?:xds|tests|protos|k8s|envoy)/[\w./-]*)(?::([\w.]+))?`")

documents = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
about_code = pytest.mark.parametrize("document", ABOUT_CODE, ids=lambda path: str(path.relative_to(ROOT)))


def test_cited_rules_are_written_down() -> None:
    rules = written_rules()
    assert [cited for cited in citations() if cited.rpartition(" ")[2] not in rules] == []


@documents
def test_relative_links_resolve(document: Path) -> None:
    assert [link for link in links(document) if not resolves(document, link)] == []


def test_links_lead_to_known_sites_by_https() -> None:
    """A site that nobody knows may be invented, or a misspelt one."""
    found = [(document, urlsplit(url)) for document, url in external_links()]
    assert found
    strange = [url.geturl() for _, url in found if url.scheme != "https" or url.hostname not in HOSTS or url.port]
    assert strange == []


@about_code
def test_code_that_a_document_names_exists(document: Path) -> None:
    named = CODE.findall(document.read_text())
    assert [f"{path}:{symbol}" for path, symbol in named if not exists(ROOT / path, symbol)] == []


def test_the_proofs_about_cves_exist() -> None:
    section = (ROOT / "docs" / "security.md").read_text().partition("## CVEs of ingress-nginx")[2].partition("\n## ")[0]
    rows = [line.split("|")[4] for line in section.splitlines() if line.startswith("| 20")]
    assert len(rows) == 17
    cases = {each["name"] for path in ROOT.glob("tests/rows/cases/*.json") for each in json.loads(path.read_text())}
    text = "".join(
        (ROOT / path).read_text()
        for path in ("tests/translate/nginx/test_cves.py", "tests/manifests/test_manifests.py")
    )
    tests = set(re.findall(r"def (test_\w+)", text))
    for row in rows:
        proofs = re.findall(r"`([\w-]+)`", row)
        assert proofs
        assert set(proofs) <= cases | tests


def written_rules() -> set[str]:
    """`6` for a rule, `13(a)` for a part of a rule."""
    found: set[str] = set()
    number = ""
    for line in RULES.read_text().splitlines():
        if rule := re.match(r"(\d+)\. ", line):
            number = rule[1]
            found.add(number)
        elif part := re.match(r" +- (\([a-z]\)) ", line):
            found.add(number + part[1])
    return found


def citations() -> Iterator[str]:
    """`tests/protocol/test_rules.py: 6` for each rule that a test cites."""
    for path in ROOT.glob("tests/**/*.py"):
        for citation in CITATION.findall(path.read_text()):
            number = ""
            for digits, letter in re.findall(r"(\d+)|(\([a-z]\))", citation):
                number = digits or number
                yield f"{path.relative_to(ROOT)}: {number}{letter}"


def links(document: Path) -> list[str]:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", document.read_text(), flags=re.DOTALL)
    return [link for link in re.findall(r"\]\(([^)\s]+)\)", text) if not re.match(r"[a-z]+:", link)]


def resolves(document: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = document.parent / path if path else document
    return target.exists() and (not anchor or anchor in anchors(target))


@functools.cache
def anchors(document: Path) -> set[str]:
    """Of the headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"(?s)```.*?```", "", document.read_text()), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def exists(path: Path, symbol: str) -> bool:
    return path.exists() and (not symbol or symbol in symbols(path))


@functools.cache
def symbols(path: Path) -> set[str]:
    """Functions, classes, their methods and attributes, and constants of a module: `Session.update`."""
    return set(_symbols(ast.parse(path.read_text()).body, ""))


def _symbols(body: list[ast.stmt], prefix: str) -> Iterator[str]:
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield prefix + name
            case ast.ClassDef(name=name, body=inner):
                yield prefix + name
                yield from _symbols(inner, f"{prefix}{name}.")
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield prefix + name
            case ast.Assign(targets=targets):
                yield from (prefix + target.id for target in targets if isinstance(target, ast.Name))
