"""Regular expressions: what PCRE, RE2 and Python have in common, and the bound of their size.

Covers: beside the parser, Envoy's own sizes for a corpus of expressions.
"""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.envoy import needs_envoy
from tests.support.envoy_binary import BINARY
from xds.translate.regexes import RegexError, parsed

GOOD = {
    "": "",
    "abc": "abc",
    "a.c": "a.c",
    r"v\d+\.\w": r"v[0-9]+\.[0-9A-Z\_a-z]",
    "(a|b)(?:c)": "(a|b)(?:c)",
    "[^]a-]": r"[^\-\]a]",
    "[[:digit:]_]": r"[0-9\_]",
    "a{2}b{2,}c{2,3}d{": r"a{2}b{2,}c{2,3}d\{",
    "a+?b??c*?": "a+?b??c*?",
    r"\Aa\z": "^a$",
    r"\x41\/": "A/",
    "(?i)ab": "(?i:ab)",
    "}]": r"\}\]",
}

BAD = (
    *("(", ")", "a)", "[a", "[]", "*a", "a**", "a++", "a{2}{3}", "a{1001}", "a{3,2}", "^*", r"\b+", "a|*"),
    *("(?=a)", "(?!a)", "(?<a>b)", "(?P<a>b)", "(?>a)", "(?#a)", "a(?i)b", "(?x)a"),
    *(r"\1", r"\k", r"\h", r"\Q", r"\p", r"\G", "\\", r"[\D]", r"[\b]", "[[:no:]]", "[b-a]", "[é]", "a\nb", "a\x00"),
    *("(" * 30 + ")" * 30, "a" * 2000),
)


@pytest.mark.parametrize("written", GOOD)
def test_an_expression_is_written_anew(written: str) -> None:
    assert parsed(written).text == GOOD[written]
    re.compile(GOOD[written], re.ASCII)


@pytest.mark.parametrize("written", BAD)
def test_syntax_that_not_all_know_is_refused(written: str) -> None:
    with pytest.raises(RegexError):
        parsed(written)


def test_groups_are_counted() -> None:
    assert [parsed(each).groups for each in ("a", "(a)", "(a(b))(?:c)", r"\(a", "[(]")] == [0, 1, 2, 0, 0]


@pytest.mark.parametrize(
    ("pattern", "text"), [("b+", "abc"), ("^a|x$", "ab"), (r"\bqa\b", "a qa-b"), ("(?i)QA", "xqay"), ("[^a]$", "ab")]
)
def test_an_expression_is_found_anywhere(pattern: str, text: str) -> None:
    assert re.search(parsed(pattern).text, text, re.ASCII)


@needs_envoy
def test_envoy_compiles_no_larger_programs(tmp_path: Path) -> None:
    corpus = [parsed(each) for each in GOOD if each]
    corpus += [parsed(each, ignore_case=True) for each in ("abcdefghijklmnopqrstuvwxyz", "[a-z]+[^k]", "k{9}s*", r"\W")]
    corpus += [
        parsed(each) for each in (".*", "[^a]{5}", "(a*|b+|c?)*", "é*", "(?:(?:a{3}b)?c){4}", r"\S\B\w{3,}", "||")
    ]
    sizes = _sizes([each.text for each in corpus], tmp_path)
    assert len(sizes) == len(corpus)
    assert [each for each, size in zip(corpus, sizes, strict=True) if size > each.size] == []


def _sizes(regexes: list[str], folder: Path) -> list[int]:
    """The sizes that Envoy warns of, in order."""
    matches = [{"prefix": "/", "headers": [_header(each)]} for each in regexes]
    routes = [{"match": each, "direct_response": {"status": 200}} for each in matches]
    limits = {"re2.max_program_size.error_level": 100_000, "re2.max_program_size.warn_level": 0}
    bootstrap = {
        "layered_runtime": {"layers": [{"name": "limits", "static_layer": limits}]},
        "static_resources": {"listeners": [_listener(routes)]},
    }
    file = folder / "bootstrap.json"
    file.write_text(json.dumps(bootstrap))
    command = [str(BINARY), "--mode", "validate", "-c", str(file), "-l", "warning"]
    said = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return [int(size) for size in re.findall(r"program size of (\d+) >", said.stderr)]


def _header(regex: str) -> dict[str, object]:
    return {"name": "x", "string_match": {"safe_regex": {"regex": regex}}}


def _listener(routes: list[dict[str, object]]) -> dict[str, object]:
    types = "type.googleapis.com/envoy.extensions.filters"
    manager = {
        "@type": f"{types}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "x",
        "route_config": {"virtual_hosts": [{"name": "any", "domains": ["*"], "routes": routes}]},
        "http_filters": [{"name": "router", "typed_config": {"@type": f"{types}.http.router.v3.Router"}}],
    }
    address = {"socket_address": {"address": "127.0.0.1", "port_value": 0}}
    return {
        "name": "x",
        "address": address,
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    }
