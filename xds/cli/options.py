"""What the commands' flags have in common."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from xds.address import HostPort, UnixPath, parse
from xds.bootstrap.client_tls import ClientTls

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


class Folder(click.Path):
    """Not the current folder where a variable is empty."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not value:
            self.fail("it is empty; name the folder that holds the manifests", param, ctx)
        return super().convert(value, param, ctx)


PORT = click.IntRange(1, 65535)

version_option = click.version_option(package_name="xds-ingress", prog_name="xds", message="%(prog)s %(version)s")

FILE = click.Path(path_type=Path)


def all_or_none(**files: Path | None) -> None:
    """Flags that make sense together only.

    Raises:
        click.UsageError: some are given, and some are not.
    """
    flags = ["--" + name.replace("_", "-") for name in files]
    missing = [flag for flag, file in zip(flags, files.values(), strict=True) if file is None]
    if missing and len(missing) < len(files):
        raise click.UsageError(f"{', '.join(flags)} go together: {' and '.join(missing)} missing")


def client_tls_options(command: F) -> F:
    """`tls_ca`, `tls_cert`, `tls_key` and `tls_server_name` are for `client_tls`."""
    for decorate in (
        option("--tls-server-name", metavar="NAME", help="In the server's certificate, if it isn't the host asked."),
        option("--tls-key", type=FILE, metavar="FILE", help="The private key of --tls-cert."),
        option("--tls-cert", type=FILE, metavar="FILE", help="Our own certificate."),
        option("--tls-ca", type=FILE, metavar="FILE", help="The CA that the server's certificate must chain to."),
    ):
        command = decorate(command)
    return command


def client_tls(
    tls_ca: Path | None, tls_cert: Path | None, tls_key: Path | None, tls_server_name: str | None
) -> ClientTls | None:
    """What the flags say; None: no TLS.

    Raises:
        click.UsageError: they are incomplete.
    """
    all_or_none(tls_ca=tls_ca, tls_cert=tls_cert, tls_key=tls_key)
    if tls_ca is None or tls_cert is None or tls_key is None:
        return None
    return ClientTls(tls_ca, tls_cert, tls_key, tls_server_name or "")


@dataclass(frozen=True, slots=True)
class Server:
    """Whom to ask; `tls` None: in plaintext."""

    address: HostPort | UnixPath
    tls: ClientTls | None = None

    def __str__(self) -> str:
        return str(self.address)


def server_option(command: F) -> F:
    """`server` is whom to ask."""

    @functools.wraps(command)
    def with_server(*args: Any, server: HostPort | UnixPath, **rest: Any) -> Any:
        tls = client_tls(*(rest.pop(name) for name in ("tls_ca", "tls_cert", "tls_key", "tls_server_name")))
        return command(*args, server=Server(server, tls), **rest)

    address = Address()
    help_ = "The control plane to ask: its --listen."
    decorate = option("--server", type=address, default=SERVER, help=help_, metavar=address.name)
    return cast("F", decorate(client_tls_options(with_server)))


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
        option(
            "-t", "--type", "types", multiple=True, help="cds, eds, sds, lds, rds, vhds, or a type's name. Repeatable."
        ),
    ):
        command = decorate(command)
    return command
