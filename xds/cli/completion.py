"""`xds completion`."""

from typing import Final

import click
from click.shell_completion import BashComplete, FishComplete, ShellComplete, ZshComplete

from xds.cli.help import Command
from xds.cli.options import argument

COMPLETERS: Final[dict[str, type[ShellComplete]]] = {"bash": BashComplete, "zsh": ZshComplete, "fish": FishComplete}

VARIABLE: Final = "_XDS_COMPLETE"
"""With this variable, set by the script, `xds` prints completions. The name is click's."""


@click.command(
    cls=Command,
    examples=[
        "source <(xds completion bash)                 # in ~/.bashrc",
        "source <(xds completion zsh)                  # in ~/.zshrc, after compinit",
        "xds completion fish > ~/.config/fish/completions/xds.fish",
    ],
)
@argument("shell", type=click.Choice(list(COMPLETERS)))
def completion(*, shell: str) -> None:
    """Write the script by which SHELL completes commands, flags and values of xds."""
    completer = COMPLETERS[shell](click.get_current_context().find_root().command, {}, "xds", VARIABLE)
    click.echo(completer.source(), nl=False)
