"""What the commands' flags have in common."""

import functools
from collections.abc import Callable
from ipaddress import ip_address
from typing import Any, TypeVar

import click

from xds.server.address import HostPort, UnixPath, parse

F = TypeVar("F", bound=Callable[..., Any])

SERVER = "127.0.0.1:18000"


class Failed(click.ClickException):
    """It could not be done. The message is one line and says what to do."""

    exit_code = 3


class Option(click.Option):
    """A flag with its environment variable: XDS_ and the flag in capitals, repeated values separated by commas."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        flag = max(self.opts, key=len)
        self.envvar = "XDS_" + flag.lstrip("-").upper().replace("-", "_")
        self.show_envvar = True

    def value_from_envvar(self, ctx: click.Context) -> Any:
        if not self.multiple:
            return super().value_from_envvar(ctx)
        text = self.resolve_envvar_value(ctx)
        return None if text is None else [part for each in text.split(",") if (part := each.strip())]


option = functools.partial(click.option, cls=Option, show_default=True)


class Address(click.ParamType):  # type: ignore[type-arg]  # not generic in every version
    """`HOST:PORT` or `unix:PATH`.

    Args:
        unix: Whether a unix socket will do.
        any_port: Whether port 0 will do, which stands for any that is free.
    """

    def __init__(self, *, unix: bool = True, any_port: bool = False) -> None:
        self.name = "HOST:PORT|unix:PATH" if unix else "HOST:PORT"
        self._unix = unix
        self._any_port = any_port

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> HostPort | UnixPath:
        try:
            address = parse(str(value))
        except ValueError:
            self.fail(f"{value!r} is not {self.name}", param, ctx)
        if isinstance(address, UnixPath) and not self._unix:
            self.fail(f"{value!r} is not {self.name}", param, ctx)
        if isinstance(address, HostPort) and not address.port and not self._any_port:
            self.fail(f"{value!r} has no port that one can connect to", param, ctx)
        return address


class IpAddress(click.ParamType):  # type: ignore[type-arg]
    name = "ADDR"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return str(ip_address(str(value)))
        except ValueError:
            self.fail(f"{value!r} is not an IP address", param, ctx)


PORT = click.IntRange(1, 65535)

version_option = click.version_option(package_name="xds-ingress", prog_name="xds", message="%(prog)s %(version)s")

server_option = option(
    "--server", type=Address(), default=SERVER, help="The control plane to ask: its --listen.", metavar=Address().name
)

output_option = option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "yaml"]),
    default="table",
    help="json and yaml hold everything, for programs.",
)


def filter_options(command: F) -> F:
    """`types` and `names` choose resources."""
    for decorate in (
        option("-n", "--name", "names", multiple=True, help="Part of a name, or a pattern with * ? [ ]. Repeatable."),
        option("-t", "--type", "types", multiple=True, help="cds, eds, sds, lds, rds, or a type's name. Repeatable."),
    ):
        command = decorate(command)
    return command
