"""The version of pyproject.toml in every file that repeats it, and the page of the package index."""

import re

import pytest
from click.testing import CliRunner

from tests.support import package_page, release_version
from tests.support.release_version import CHART, ROOT, VERSION
from xds.cli.main import cli


def test_a_release_changes_chart_manifests_and_documents(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(release_version, "VERSION", "98.7.6")
    texts = release_version.texts()
    chart = texts[CHART].splitlines()
    assert "version: 98.7.6" in chart
    assert "appVersion: 98.7.6" in chart
    assert "newTag: 98.7.6" in texts[ROOT / "k8s" / "kustomization.yaml"]
    assert not any(f"xds-ingress:{VERSION}" in text for text in texts.values())


@pytest.mark.parametrize("version", ["1.0", "1.0.0rc1", "v1.0.0", "1.0.0+local"])
def test_a_version_that_helm_reads_otherwise_is_rejected(monkeypatch: pytest.MonkeyPatch, version: str) -> None:
    monkeypatch.setattr(release_version, "VERSION", version)
    with pytest.raises(ValueError, match="write X"):
        release_version.texts()


def test_the_command_has_the_version_of_the_project() -> None:
    result = CliRunner().invoke(cli, ["--version"])
    assert VERSION in result.output, "the environment holds another version: run `make venv`"


README = """\
# Name

Text with a [link](docs/install.md#there), an [address](https://www.envoyproxy.io) and a [place](#here).

![A picture](docs/images/ui.png)

| use | [two words](docs/cli.md) |
"""


def test_without_a_home_relative_links_are_plain_text() -> None:
    page = package_page.rewritten(README, "")
    assert "Text with a link, an [address](https://www.envoyproxy.io) and a [place](#here)." in page
    assert "picture" not in page
    assert "| use | two words |" in page
    assert "source distribution" in page


def test_with_a_home_links_lead_to_the_tag() -> None:
    page = package_page.rewritten(README, "https://example.com/xds")
    assert f"[link](https://example.com/xds/blob/v{VERSION}/docs/install.md#there)" in page
    assert f"![A picture](https://example.com/xds/raw/v{VERSION}/docs/images/ui.png)" in page


def test_the_page_of_the_package_index_has_no_relative_link() -> None:
    addresses = re.findall(r"\]\(([^)]*)\)", package_page.PAGE.read_text())
    assert [each for each in addresses if not each.startswith(("http://", "https://", "#"))] == []
