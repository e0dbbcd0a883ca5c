"""The source of objects of `xds serve`, by flags and environment variables.

Excludes: exit code and error line of wrong usage (test_process.py).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from xds.cli.source_options import source, source_options
from xds.controlplane.settings import ClusterSource
from xds.kubeapi.kubeconfig import Access

KUBECONFIG = ClusterSource(Access(Path("config")))
IN_CLUSTER = ClusterSource(Access())


def parse(arguments: list[str], environment: Mapping[str, str]) -> Path | ClusterSource:
    """The source that the flags choose.

    Raises:
        click.UsageError: wrong flags.
    """

    @click.command()
    @source_options
    def command(**flags: Any) -> Path | ClusterSource:
        return source(**flags)

    runner = CliRunner(env=dict(environment))
    with runner.isolation(env=dict(environment)):
        found: Path | ClusterSource = command.main(arguments, standalone_mode=False)
    return found


@pytest.mark.parametrize(
    ("arguments", "environment", "expected"),
    [
        (["--from", "d"], {}, Path("d")),
        (["--kubeconfig", "config"], {}, KUBECONFIG),
        (["--in-cluster"], {}, IN_CLUSTER),
        (["--in-cluster", "--namespace", "a", "--namespace", "b"], {}, ClusterSource(Access(), ("a", "b"))),
        ([], {"XDS_FROM": "d"}, Path("d")),
        ([], {"XDS_KUBECONFIG": "config"}, KUBECONFIG),
        ([], {"XDS_IN_CLUSTER": "true", "XDS_NAMESPACE": "a,b"}, ClusterSource(Access(), ("a", "b"))),
        (["--kubeconfig", "config"], {"XDS_FROM": "d"}, KUBECONFIG),
        (["--in-cluster"], {"XDS_KUBECONFIG": "config"}, IN_CLUSTER),
        (["--from", "d"], {"XDS_IN_CLUSTER": "false"}, Path("d")),
    ],
)
def test_flags_choose_a_source(
    arguments: list[str], environment: dict[str, str], expected: Path | ClusterSource
) -> None:
    assert parse(arguments, environment) == expected


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        ([], {}),
        (["--from", "d", "--kubeconfig", "config"], {}),
        ([], {"XDS_FROM": "d", "XDS_IN_CLUSTER": "1"}),
        (["--from", "d"], {"XDS_NAMESPACE": "a"}),
        (["--in-cluster", "--namespace", "A"], {}),
        (["--in-cluster", "--namespace", ""], {}),
    ],
)
def test_no_source_or_several_sources_are_wrong_usage(arguments: list[str], environment: dict[str, str]) -> None:
    with pytest.raises(click.UsageError):
        parse(arguments, environment)
