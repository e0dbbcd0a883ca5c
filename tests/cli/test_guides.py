"""Each command of `xds` and `kubectl xds` in the guides is one, with its arguments.

Excludes: what the commands answer (test_troubleshooting.py), and commands of others (tests/chart/test_guides.py).
"""

from pathlib import Path

import click
import pytest

from tests.support.guides import GUIDES, commands, name_of
from xds.cli.kubectl import kubectl_xds
from xds.cli.main import cli

guides = pytest.mark.parametrize("guide", GUIDES, ids=name_of)


@guides
def test_each_command_of_xds_is_one(guide: Path) -> None:
    for arguments in commands(guide, "xds"):
        parse(cli, arguments)
    for arguments in commands(guide, "kubectl"):
        if arguments[0] == "xds":
            parse(kubectl_xds, arguments[1:])
        elif "--" in arguments and arguments[0] == "exec":
            inside = arguments[arguments.index("--") + 1 :]
            parse(cli, inside[1:])


def parse(group: click.Group, arguments: list[str]) -> None:
    _parse(group, group.make_context("xds", list(arguments)), arguments)


def _parse(group: click.Group, context: click.Context, arguments: list[str]) -> None:
    """With subcommands, and without running any."""
    name, command, rest = group.resolve_command(context, arguments)
    assert command is not None
    inner = command.make_context(name, list(rest), parent=context)
    if isinstance(command, click.Group) and rest:
        _parse(command, inner, rest)


def test_the_parser_finds_a_wrong_flag() -> None:
    with pytest.raises(click.NoSuchOption):
        parse(cli, ["explain", "http://a/", "--no-such-flag"])


def test_the_guides_have_commands() -> None:
    assert sum(1 for guide in GUIDES for _ in commands(guide, "kubectl")) > 40
