"""`--help` of every command: flags by subject, and examples that the command accepts."""

import shlex
from itertools import dropwhile, takewhile

import click
import pytest

from tests.cli.test_arguments import command_of, commands
from xds.cli import main
from xds.cli.help import GENERAL, SUBJECTS, Command, Group, subject
from xds.cli.main import COMMANDS, SECTIONS, run

PATHS = list(commands(main.cli))

every_command = pytest.mark.parametrize("path", PATHS, ids=" ".join)


@every_command
def test_help_of_every_command_has_examples_of_eighty_columns(
    path: tuple[str, ...], capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run([*path, "--help"]) == 0
    out, err = capfd.readouterr()
    assert err == ""
    text, _, examples = out.partition("\nExample")
    assert all(len(line) <= 80 for line in out.splitlines())
    assert "\nGeneral:\n" in text
    assert [line for line in examples.splitlines()[1:] if f"xds {' '.join(path)}" not in line] == []
    assert examples.count("\n") >= 2


@every_command
def test_examples_are_accepted_by_their_command(path: tuple[str, ...]) -> None:
    command = command_of(path)
    assert isinstance(command, Command)
    for example in command.examples:
        split = shlex.shlex(example, posix=True, punctuation_chars=True)  # as the shell does
        split.whitespace_split = True
        words = takewhile(lambda word: word not in ("|", ">", ";", ")"), dropwhile(lambda word: word != "xds", split))
        _, *arguments = words
        assert tuple(arguments[: len(path)]) == path
        command.make_context(" ".join(path), arguments[len(path) :])


def test_groups_of_commands_have_examples() -> None:
    groups = [command_of((name,)) for name in COMMANDS]
    found = [each for each in (*groups, main.cli) if isinstance(each, click.Group)]
    assert len(found) >= 3
    assert all(isinstance(each, Group) and each.examples for each in found)


def test_every_flag_of_serve_has_a_subject() -> None:
    flags = {each.opts[0]: subject(each) for each in command_of(("serve",)).params}
    assert [flag for flag, heading in flags.items() if heading == GENERAL] == []
    assert len(set(flags.values())) >= 10


def test_no_flag_is_listed_under_two_subjects() -> None:
    listed = [flag for flags in SUBJECTS.values() for flag in flags.split()]
    assert len(listed) == len(set(listed))


def test_every_command_is_listed_under_a_section(capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    lines = capfd.readouterr().out.splitlines()
    for heading, entries in SECTIONS.items():
        start = lines.index(f"{heading}:") + 1
        assert {line.split()[0] for line in lines[start : start + len(entries)]} <= set(entries)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["proxie"], "No such command 'proxie'. Did you mean 'proxies'?"),
        (["why", "default/shop"], "name the kind before 'default/shop': xds why ingress default/shop"),
        (["why", "Ingress"], "Did you mean 'ingress'?"),
        (["snapshot", "diff", "a"], "'a' is not a whole number"),
        (["serve", "--http-port", "x"], "'x' is not a whole number"),
        (["serve", "--http-port", "70000"], "70000 is not in the range 1<=x<=65535"),
        (
            ["lint", ".", "--ignore", "SecretNotfound"],
            "'SecretNotfound' is no reason of problems; write SecretNotFound",
        ),
        (["lint", ".", "--ignore", "x"], "'x' is no reason of problems; write one of docs/problems.md"),
    ],
)
def test_a_mistyped_word_is_answered_with_the_right_one(
    arguments: list[str], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert words in err
    assert len(err) < 200


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["lint", "nowhere"], "nowhere: there is no such file or folder; check the name"),
        (["proxies", "--server", "nobody.invalid:1"], "the host of nobody.invalid:1 has no address; check the name"),
        (["serve", "--from", "/nonexistent"], "/nonexistent: there is no such folder; create it, or name another"),
    ],
)
def test_an_input_that_is_not_there_is_one_line(
    arguments: list[str], words: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(arguments) == 3
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert words in err
