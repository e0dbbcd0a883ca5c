"""Flags of the page of `xds serve`."""

import re
from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import click
from click.core import ParameterSource

from xds.address import HostPort, is_local
from xds.cli.options import Address, option
from xds.ui.options import UiOptions

F = TypeVar("F", bound=Callable[..., Any])

OFF: Final = "off"

_NAME: Final = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*|\[[0-9A-Fa-f:.]+\]")


class AddressOrOff(Address):
    """`HOST:PORT`, or `off`."""

    def __init__(self) -> None:
        super().__init__(unix=False, any_port=True)
        self.name = "HOST:PORT|off"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return OFF if value == OFF else super().convert(value, param, ctx)


class HostName(click.ParamType):  # type: ignore[type-arg]  # not generic in every version
    """A name or an address as in a Host header, without a port."""

    name = "NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not _NAME.fullmatch(str(value)):
            self.fail(f"{value!r} is not a host name, without a port, such as xds.example.com", param, ctx)
        return str(value).strip("[]")


def ui_options(command: F) -> F:
    """Adds `ui`, `ui_allow_remote` and `ui_host`, for `page`."""
    for decorate in (
        option(
            "--ui-host",
            type=HostName(),
            multiple=True,
            help="A name by which browsers reach the page, beside localhost. Repeatable.",
        ),
        option("--ui-allow-remote", is_flag=True, help="Allow a --ui beyond this machine. The page has no login."),
        option(
            "--ui",
            type=AddressOrOff(),
            default="127.0.0.1:18002",
            metavar="HOST:PORT|off",
            help="The address of the page for browsers.",
        ),
    ):
        command = decorate(command)
    return command


def page(ui: HostPort | str, *, ui_allow_remote: bool, ui_host: tuple[str, ...]) -> UiOptions | None:
    """The page's settings; None: no page.

    Raises:
        click.UsageError: the flags contradict each other.
    """
    if ui == OFF:
        return None
    address = cast("HostPort", ui)
    if not is_local(address):
        if not ui_allow_remote:
            raise click.UsageError(
                f"--ui {address} reaches beyond this machine, and the page has no login: choose 127.0.0.1 and use "
                "'kubectl port-forward', or add --ui-allow-remote and --ui-host"
            )
        if not ui_host:
            raise click.UsageError(
                "--ui-allow-remote needs --ui-host: the name in the browser's address bar, without the port"
            )
    required = click.get_current_context().get_parameter_source("ui") is not ParameterSource.DEFAULT
    return UiOptions(address, ui_host, required)
