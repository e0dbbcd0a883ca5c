"""docs/runbooks: each alert has a page, and commands, figures, problems and log events of the pages exist.

Excludes: whether a remedy helps.
"""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tests.support.alert_cases import ROOT, RULES, alerts, page_of
from xds.cli.kubectl import kubectl_xds
from xds.problems.reasons import Reason

RUNBOOKS = ROOT / "docs" / "runbooks"
INDEX = RUNBOOKS / "README.md"
PAGES = sorted(set(RUNBOOKS.glob("*.md")) - {INDEX})

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def test_each_alert_has_a_page_and_each_page_an_alert() -> None:
    assert {page.stem for page in PAGES} == {page_of(alert) for alert in alerts()}
    listed = re.findall(r"^\| \[(\w+)\]\(([\w-]+)\.md\) \| (\w+) \|", INDEX.read_text(), flags=re.MULTILINE)
    assert sorted(listed) == sorted(
        (name, page_of(name), rule["labels"]["severity"]) for name, rule in alerts().items()
    )


def test_each_alert_has_a_severity_a_text_and_its_page() -> None:
    for name, rule in alerts().items():
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
        assert rule["annotations"]["runbook_url"] == f"docs/runbooks/{page_of(name)}.md"


def test_documents_count_the_alerts() -> None:
    for document in ("docs/monitoring.md", "CHANGELOG.md"):
        assert f" {len(alerts())} alerts" in (ROOT / document).read_text()


def test_a_page_begins_with_commands() -> None:
    for page in PAGES:
        title, blank, command, *rest = page.read_text().splitlines()
        assert page_of(title.removeprefix("# ")) == page.stem
        assert blank == ""
        assert command.startswith("    kubectl ")
        assert any(line.startswith("**Wake somebody** ") for line in rest)


def commands(page: Path) -> Iterator[list[str]]:
    """The arguments of each `kubectl xds`."""
    text = page.read_text()
    for line in re.findall(r"^    (.+)$", text, flags=re.MULTILINE) + re.findall(r"`([^`\n]+)`", text):
        words = shlex.split(line)
        if words[:2] == ["kubectl", "xds"]:
            yield words[2:]


@pages
def test_each_command_of_xds_is_one(page: Path) -> None:
    for arguments in commands(page):
        context = kubectl_xds.make_context("kubectl xds", list(arguments))
        parse(kubectl_xds, context, arguments)


def parse(group: click.Group, context: click.Context, arguments: list[str]) -> None:
    """With subcommands, and without running any."""
    name, command, rest = group.resolve_command(context, arguments)
    assert command is not None
    inner = command.make_context(name, list(rest), parent=context)
    if isinstance(command, click.Group) and rest:
        parse(command, inner, rest)


def test_the_parser_finds_a_wrong_flag() -> None:
    arguments = ["proxies", "--no-such-flag"]
    with pytest.raises(click.NoSuchOption):
        parse(kubectl_xds, kubectl_xds.make_context("kubectl xds", list(arguments)), arguments)


def test_each_figure_is_documented() -> None:
    """In the metrics of the control plane. Those of Envoy are compared with a scrape of the demo."""
    documented = set(re.findall(r"`(xds_ingress_\w+)`", (ROOT / "docs" / "metrics.md").read_text()))
    for path in (*PAGES, RULES):
        named = {
            re.sub(r"_(bucket|count|sum)$", "", name) for name in re.findall(r"\bxds_ingress_\w+", path.read_text())
        }
        assert named <= documented, path.name


def test_each_problem_that_a_page_names_is_one() -> None:
    reasons = {reason.value for reason in Reason}
    for page in PAGES:
        named = re.findall(r"(?<=problem )`(\w+)`(?: or `(\w+)`)?", page.read_text())
        assert {name for pair in named for name in pair if name} <= reasons, page.name


def test_each_log_event_that_a_page_names_is_one() -> None:
    source = "".join(path.read_text() for path in (ROOT / "xds").rglob("*.py"))
    for page in PAGES:
        for event in re.findall(r"log event\s+`(\w+)`", page.read_text()):
            known = f'"{event}"' in source or (event.endswith("_unavailable") and '_unavailable"' in source)
            assert known, f"{page.name}: {event}"
