"""`xds authz`."""

import os
import sys

import click

from xds.address import HostPort, UnixPath, is_local
from xds.authz.app import AuthzError, AuthzSettings, run
from xds.cli.help import Command
from xds.cli.options import Address, Failed, Number, log_options, option, version_option


@click.command(
    cls=Command,
    examples=[
        "xds authz",
        "xds authz --listen unix:/tmp/authz.sock --max-hashes 2",
    ],
)
@option(
    "--listen",
    type=Address(),
    default="unix:/run/xds/authz.sock",
    metavar=Address().name,
    help="The address of the service, on this machine. A socket is for the user of this process only.",
)
@option(
    "--admin",
    type=Address(unix=False, any_port=True),
    default="127.0.0.1:18003",
    metavar="HOST:PORT",
    help="The address of /healthz, /readyz and /metrics.",
)
@option(
    "--max-hashes",
    type=Number(1, 256),
    show_default="one for each CPU",
    help="Most hashes at once. Half of them, and at least one, are for one Ingress.",
)
@log_options
@version_option
def authz(
    *, listen: HostPort | UnixPath, admin: HostPort, max_hashes: int | None, log_level: str, log_format: str
) -> None:
    """Check passwords for the Envoy beside it (basic authentication), until SIGTERM or Ctrl-C.

    Envoy brings the users with each request, so the command reads no files and needs no rights. With
    `xds serve --authz`, the fleet asks this command.
    """
    if not is_local(listen):
        raise click.UsageError(
            f"--listen {listen} reaches beyond this machine, and passwords would cross the network: run the command "
            "beside each Envoy, on a unix socket or 127.0.0.1"
        )
    most = max_hashes or min(_processors(), 256)
    try:
        run(AuthzSettings(listen, admin, most, log_level, log_format))
    except AuthzError as error:
        raise Failed(str(error)) from None


def _processors() -> int:
    """Number of processors that this process may use; on macOS, of all."""
    return (os.cpu_count() or 1) if sys.platform == "darwin" else len(os.sched_getaffinity(0))
