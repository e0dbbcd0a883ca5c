"""Flags and parameter types that several commands share."""

import functools
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import click
from click.core import ParameterSource

from xds.address import HostPort, UnixPath, parse
from xds.bootstrap.client_tls import ClientTls
from xds.cli.text import printable

F = TypeVar("F", bound=Callable[..., Any])

SERVER = "127.0.0.1:18000"


class Failed(click.ClickException):
    """The command could not be done (exit code 3). The message is one line and names the remedy."""

    exit_code = 3


_SERVICE_LINK: Final = re.compile(r"(tcp|udp|sctp)://", re.IGNORECASE)


def warn(message: str) -> None:
    """Print a line on standard error. The command goes on."""
    click.echo(f"xds: {printable(message)}", err=True)


class Utf8Parameter(click.Parameter):
    """Rejects text in another encoding than UTF-8, which protobuf can't hold. Paths may have any encoding."""

    def type_cast_value(self, ctx: click.Context, value: Any) -> Any:
        if not isinstance(self.type, click.Path):
            for each in value if isinstance(value, (tuple, list)) else (value,):
                # Python reads other bytes of the command line as lone surrogates.
                if isinstance(each, str) and any("\udc80" <= sign <= "\udcff" for sign in each):
                    raise click.BadParameter(f"{each!r} is not UTF-8", ctx, self)
        return super().type_cast_value(ctx, value)


class Option(Utf8Parameter, click.Option):
    """A flag with an environment variable: XDS_ and the flag in capitals, repeated values separated by commas.

    Kubernetes sets a variable for each Service in the namespace, and Docker for each link: XDS_HTTP_PORT=tcp://10.0.0.1:80
    for a Service `xds-http`. Such a value is ignored with a warning.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        flag = max(self.opts, key=len)
        self.envvar = "XDS_" + flag.lstrip("-").upper().replace("-", "_")
        self.show_envvar = True

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        text = super().resolve_envvar_value(ctx)
        if text is None or not _SERVICE_LINK.match(text):
            return text
        warned: set[Any] = ctx.meta.setdefault(f"{__name__}.warned", set())
        if self.envvar not in warned:
            warned.add(self.envvar)
            remedy = "set enableServiceLinks: false in the Pod, or give the flag"
            warn(f"{self.envvar}={text} is ignored: Kubernetes sets it for a Service of this name; {remedy}")
        return None

    def value_from_envvar(self, ctx: click.Context) -> Any:
        if not self.multiple:
            return super().value_from_envvar(ctx)
        text = self.resolve_envvar_value(ctx)
        return None if text is None else [part for each in text.split(",") if (part := each.strip())]


class Argument(Utf8Parameter, click.Argument):
    pass


class PlainOption(Utf8Parameter, click.Option):
    """A flag without an environment variable.

    A variable such as XDS_NAME or XDS_OUTPUT may be set by other software, or be meant for another command.
    """


option = functools.partial(click.option, cls=Option, show_default=True)

plain_option = functools.partial(click.option, cls=PlainOption, show_default=True)

argument = functools.partial(click.argument, cls=Argument)


class Address(click.ParamType):  # type: ignore[type-arg]  # not generic in every version
    """`HOST:PORT` or `unix:PATH`.

    Args:
        unix: Whether to accept a unix socket.
        any_port: Whether to accept port 0, which means any free port.
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
            self.fail(f"{value!r} has no port to connect to", param, ctx)
        return address


class IpAddress(click.ParamType):  # type: ignore[type-arg]
    name = "ADDR"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            return str(ip_address(str(value)))
        except ValueError:
            self.fail(f"{value!r} is not an IP address", param, ctx)


class Folder(click.Path):
    """A folder. An empty value is an error: click would take the working directory."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not value:
            self.fail("the value is empty; name the folder that holds the manifests", param, ctx)
        return super().convert(value, param, ctx)


class Duration(click.ParamType):  # type: ignore[type-arg]
    """A number with a unit: `500ms`, `4s`, `2m`."""

    name = "DURATION"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        found = _DURATION.fullmatch(str(value))
        duration = int(found[1]) * _UNITS[found[2]] if found else timedelta()
        if not timedelta() < duration <= _MAX_DURATION:
            self.fail(f"{value!r} is not a duration such as 500ms, 4s or 2m, up to 24h", param, ctx)
        return duration


_DURATION: Final = re.compile(r"([0-9]{1,8})(ms|s|m|h)", re.ASCII)
_UNITS: Final = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
}
_MAX_DURATION: Final = timedelta(hours=24)


class Number(click.IntRange):
    """A whole number. click would ask for an "integer range"."""

    name = "N"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        try:
            number = int(value)
        except ValueError:
            self.fail(f"{value!r} is not a whole number", param, ctx)
        return int(super().convert(number, param, ctx))


PORT = Number(1, 65535)

version_option = click.version_option(package_name="xds-ingress", prog_name="xds", message="%(prog)s %(version)s")

FILE = click.Path(path_type=Path)


def log_options(command: F) -> F:
    """Adds --log-level and --log-format, for a server's log."""
    level = option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
    form = option(
        "--log-format",
        type=click.Choice(["auto", "console", "json"]),
        default="auto",
        help="auto: console on a terminal, JSON otherwise.",
    )
    return level(form(command))


def all_or_none(**files: Path | None) -> None:
    """Check flags that belong together.

    Raises:
        click.UsageError: some are given, and some are missing.
    """
    flags = ["--" + name.replace("_", "-") for name in files]
    missing = [flag for flag, file in zip(flags, files.values(), strict=True) if file is None]
    if missing and len(missing) < len(files):
        raise click.UsageError(f"{', '.join(flags)} go together: {' and '.join(missing)} missing")


def client_tls_options(command: F) -> F:
    """Adds `tls_ca`, `tls_cert`, `tls_key` and `tls_server_name`, for `client_tls`."""
    for decorate in (
        option(
            "--tls-server-name",
            metavar="NAME",
            help="The name in the server's certificate, if it differs from the host.",
        ),
        option("--tls-key", type=FILE, metavar="FILE", help="The private key of --tls-cert."),
        option("--tls-cert", type=FILE, metavar="FILE", help="The client's certificate."),
        option("--tls-ca", type=FILE, metavar="FILE", help="The CA of the server's certificate."),
    ):
        command = decorate(command)
    return command


def client_tls(
    tls_ca: Path | None, tls_cert: Path | None, tls_key: Path | None, tls_server_name: str | None
) -> ClientTls | None:
    """The files for TLS; None: no TLS.

    Raises:
        click.UsageError: some of the flags are missing.
    """
    all_or_none(tls_ca=tls_ca, tls_cert=tls_cert, tls_key=tls_key)
    if tls_ca is None or tls_cert is None or tls_key is None:
        return None
    return ClientTls(tls_ca, tls_cert, tls_key, tls_server_name or "")


@dataclass(frozen=True, slots=True)
class Credentials:
    """The client's side of mutual TLS, in PEM, without files.

    Attributes:
        source: The object that holds the certificate, for messages.
        server_name: A name that the server's certificate must have.
    """

    source: str
    ca: bytes
    certificate: bytes
    private_key: bytes = field(repr=False)
    server_name: str = ""


@dataclass(frozen=True, slots=True)
class Server:
    """The server to ask.

    Attributes:
        tls: None: plaintext.
        name: The name in messages; empty for the address.
    """

    address: HostPort | UnixPath
    tls: ClientTls | Credentials | None = None
    name: str = ""

    def __str__(self) -> str:
        return self.name or str(self.address)


@dataclass(frozen=True, slots=True)
class Connector:
    """Leads to the control plane instead of --server, as the object of a command's context.

    Attributes:
        connected: The server, for as long as the context manager lasts. Takes the files that flags name, or None, and
            --tls-server-name, empty without the flag.
    """

    connected: Callable[[ClientTls | None, str], AbstractContextManager[Server]]


def server_option(command: F) -> F:
    """Adds `server`, with its TLS files."""

    @functools.wraps(command)
    def with_server(*args: Any, server: HostPort | UnixPath, **rest: Any) -> Any:
        server_name: str | None = rest.pop("tls_server_name")
        tls = client_tls(rest.pop("tls_ca"), rest.pop("tls_cert"), rest.pop("tls_key"), server_name)
        context = click.get_current_context()
        connector = context.find_object(Connector)
        if connector is None or rest.get("from_"):
            return command(*args, server=Server(server, tls), **rest)
        if context.get_parameter_source("server") is ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{context.find_root().info_name} finds the server by itself; leave out --server")
        with connector.connected(tls, server_name or "") as found:
            return command(*args, server=found, **rest)

    address = Address()
    help_ = "The control plane to ask, by the address of its --listen."
    decorate = option("--server", type=address, default=SERVER, help=help_, metavar=address.name)
    return cast("F", decorate(client_tls_options(with_server)))


exit_code_option = plain_option("--exit-code", is_flag=True, help="Exit with 1 if nothing answers, for scripts.")

output_option = plain_option(
    "-o",
    "--output",
    type=click.Choice(["table", "json", "yaml"]),
    default="table",
    help="json and yaml are for programs, and contain every field.",
)


TYPES: Final = ("cds", "eds", "sds", "ecds", "lds", "rds", "vhds")


def complete_type(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    return [each for each in TYPES if each.startswith(incomplete)]


def filter_options(command: F) -> F:
    """Adds `types` and `names`, which select resources."""
    for decorate in (
        plain_option(
            "-n", "--name", "names", multiple=True, help="A part of the name, or a pattern with * ? [ ]. Repeatable."
        ),
        plain_option(
            "-t",
            "--type",
            "types",
            multiple=True,
            help="cds, eds, sds, ecds, lds, rds, vhds, or a type's name. Repeatable.",
            shell_complete=complete_type,
        ),
    ):
        command = decorate(command)
    return command
