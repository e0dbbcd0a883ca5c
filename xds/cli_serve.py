"""`xds serve`."""

from pathlib import Path
from typing import Any

import click

from xds.app import ServeError, run
from xds.cli_options import Address, Failed, option, version_option
from xds.cli_traffic import proxy_options, traffic_options, translate_options
from xds.kube.folder import SourceError
from xds.server.address import HostPort, UnixPath
from xds.settings import Settings


class Folder(click.Path):
    """Not the current folder where a variable is empty."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not value:
            self.fail("it is empty; name the folder that holds the manifests", param, ctx)
        return super().convert(value, param, ctx)


@click.command()
@option(
    "--from",
    "source",
    required=True,
    type=Folder(path_type=Path),
    metavar="DIR",
    help="Kubernetes manifests in a folder, watched for changes.",
)
@option(
    "--listen",
    type=Address(any_port=True),
    default="127.0.0.1:18000",
    metavar=Address().name,
    help="ADS and the debug API.",
)
@option(
    "--admin",
    type=Address(unix=False, any_port=True),
    default="127.0.0.1:18001",
    metavar="HOST:PORT",
    help="/healthz, /readyz and /metrics.",
)
@traffic_options
@option("--log-level", type=click.Choice(["debug", "info", "warning", "error"]), default="info")
@option(
    "--log-format",
    type=click.Choice(["auto", "console", "json"]),
    default="auto",
    help="auto: console on a terminal, JSON otherwise.",
)
@version_option
def serve(
    *,
    source: Path,
    listen: HostPort | UnixPath,
    admin: HostPort,
    ingress_class: str,
    log_level: str,
    log_format: str,
    **traffic: Any,
) -> None:
    """Turn Ingresses into what Envoys ask for, and keep them up to date, until SIGTERM or Ctrl-C."""
    settings = Settings(
        source=source,
        listen=str(listen),
        admin=str(admin),
        ingress_class=ingress_class,
        translate=translate_options(traffic),
        proxy=proxy_options(traffic),
        log_level=log_level,
        log_format=log_format,
    )
    try:
        run(settings)
    except (ServeError, SourceError) as error:
        raise Failed(str(error)) from None
