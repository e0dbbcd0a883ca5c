"""`xds completion`: the scripts, in a real bash, and the protocol of all shells.

Excludes: a real zsh and fish, which are no packages of the test machine.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from xds.cli.completion import COMPLETERS
from xds.cli.main import COMMANDS, run

XDS = Path(sys.executable).with_name("xds")


@pytest.mark.parametrize("shell", COMPLETERS)
def test_the_script_of_each_shell_asks_xds(shell: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", shell]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert f"_XDS_COMPLETE={shell}_complete" in out


def test_a_shell_without_a_script_is_wrong_usage(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["completion", "tcsh"]) == 2
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["prox"], ["proxies"]),
        (["snapshot", ""], ["diff", "show", "watch"]),
        (["snapshot", "show", "--type", "e"], ["eds", "ecds"]),
        (["snapshot", "show", "cds", "l"], ["lds"]),
        (["problems", "--reason", "SecretN"], ["SecretNotFound"]),
        (["ingresses", "--pro"], ["--problems"]),
    ],
)
def test_bash_completes_commands_flags_and_values(words: list[str], expected: list[str]) -> None:
    script = f"""
      source <({XDS} completion bash)
      COMP_WORDS=(xds {" ".join(word or "''" for word in words)}) COMP_CWORD={len(words)}
      _xds_completion {XDS}
      printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    done = subprocess.run(
        ["bash", "--norc", "-c", script], capture_output=True, text=True, timeout=60, check=True, env=os.environ
    )
    assert sorted(done.stdout.split()) == sorted(expected)


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_zsh_and_fish_get_every_command_with_its_help(shell: str) -> None:
    environment = {
        "COMP_WORDS": "xds ",
        "COMP_CWORD": "1" if shell == "zsh" else "",
        "_XDS_COMPLETE": f"{shell}_complete",
    }
    done = subprocess.run(
        [XDS], capture_output=True, text=True, timeout=60, check=True, env={**os.environ, **environment}
    )
    for name, entry in COMMANDS.items():
        assert name in done.stdout
        assert entry.help in done.stdout
