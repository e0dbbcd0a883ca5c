"""`xds serve`."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from xds.address import HostPort, UnixPath, is_local
from xds.cli.gateway_options import placed
from xds.cli.help import Command
from xds.cli.options import FILE, Address, Failed, all_or_none, log_options, option, version_option
from xds.cli.publish_options import lease, publish, publish_options
from xds.cli.source_options import source, source_options
from xds.cli.traffic_options import class_options, proxy_options, traffic_options, translate_options
from xds.cli.ui_options import page, ui_options
from xds.controlplane.settings import ClusterSource, Settings
from xds.kube.source import SourceError
from xds.problems.problem import Key
from xds.reporting.status import LoadBalancerAddress
from xds.server.tls import TlsFiles
from xds.sources.folder.source import check
from xds.translate.options import TranslateOptions


@click.command(
    cls=Command,
    examples=[
        "xds serve --from k8s/demo",
        "xds serve --kubeconfig ~/.kube/config --namespace shop",
    ],
)
@source_options
@option(
    "--listen",
    type=Address(any_port=True),
    default="127.0.0.1:18000",
    metavar=Address().name,
    help="The address of ADS and the debug API.",
)
@option(
    "--admin",
    type=Address(unix=False, any_port=True),
    default="127.0.0.1:18001",
    metavar="HOST:PORT",
    help="The address of /healthz, /readyz and /metrics.",
)
@option(
    "--tls-cert",
    type=FILE,
    metavar="FILE",
    help="The server certificate of --listen. Needs --tls-key and --tls-client-ca. Reloaded when the file changes.",
)
@option("--tls-key", type=FILE, metavar="FILE", help="The private key of --tls-cert.")
@option("--tls-client-ca", type=FILE, metavar="FILE", help="The CA of the clients' certificates.")
@option(
    "--tls-operators",
    metavar="NAME",
    multiple=True,
    help="A DNS or URI name of certificates that may use the debug API. Repeatable. Default: every certificate may.",
)
@option(
    "--peers",
    type=Address(unix=False),
    metavar="HOST:PORT",
    multiple=True,
    help="The --listen of the other replicas, for `xds status` and --all-replicas: a headless Service, this replica "
    "among its addresses. Asked with the certificate of --tls-cert. Repeatable.",
)
@option("--allow-plaintext", is_flag=True, help="Allow a --listen beyond this machine without TLS.")
@ui_options
@publish_options
@traffic_options
@log_options
@version_option
def serve(
    *,
    from_: Path | None,
    kubeconfig: Path | None,
    in_cluster: bool,
    namespace: tuple[str, ...],
    listen: HostPort | UnixPath,
    admin: HostPort,
    ui: HostPort | str,
    ui_allow_remote: bool,
    ui_host: tuple[str, ...],
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_client_ca: Path | None,
    tls_operators: tuple[str, ...],
    peers: tuple[HostPort, ...],
    allow_plaintext: bool,
    publish_address: tuple[LoadBalancerAddress, ...],
    publish_service: Key | None,
    lease_name: str | None,
    log_level: str,
    log_format: str,
    **traffic: Any,
) -> None:
    """Serve Ingresses to a fleet of Envoys, and follow changes, until SIGTERM or Ctrl-C."""
    tls = _tls(tls_cert, tls_key, tls_client_ca)
    if tls is None and not allow_plaintext and not is_local(listen):
        raise click.UsageError(
            f"--listen {listen} reaches beyond this machine, and private keys would cross the network: add "
            "--tls-cert, --tls-key and --tls-client-ca, or --allow-plaintext"
        )
    if tls_operators and tls is None:
        raise click.UsageError("--tls-operators needs --tls-cert, --tls-key and --tls-client-ca")
    if "" in tls_operators:
        raise click.UsageError("--tls-operators is empty; give a name, or leave the flag out")
    chosen = source(from_=from_, kubeconfig=kubeconfig, in_cluster=in_cluster, namespace=namespace)
    settings = Settings(
        source=chosen,
        publish=publish(chosen, publish_address, publish_service),
        lease_name=lease(chosen, lease_name),
        listen=str(listen),
        admin=str(admin),
        ui=page(ui, ui_allow_remote=ui_allow_remote, ui_host=ui_host),
        tls=tls,
        operators=frozenset(tls_operators),
        peers=peers,
        classes=class_options(traffic),
        translate=_translate(traffic, publish_address, publish_service, chosen),
        proxy=proxy_options(traffic),
        log_level=log_level,
        log_format=log_format,
        flags=_flags(),
    )
    from xds.controlplane.app import ServeError, run  # noqa: PLC0415 -- the import takes 1 s; wrong flags need none

    try:
        if isinstance(chosen, Path):
            check(chosen)  # before the first line of the log
        run(settings)
    except (ServeError, SourceError) as error:
        raise Failed(str(error)) from None


def _translate(
    traffic: dict[str, Any],
    addresses: tuple[LoadBalancerAddress, ...],
    service: Key | None,
    source: Path | ClusterSource,
) -> TranslateOptions:
    """The choices with those of the source, --publish-address and --publish-service."""
    options = translate_options(traffic)
    gateway = placed(options.gateway, source, addresses, service)
    return replace(options, published=service, gateway=gateway)


def _flags() -> dict[str, str]:
    """The flags with their values, for bug reports: none holds a secret, but for passwords in URLs."""
    given = click.get_current_context().params.items()
    shown = {name: value if isinstance(value, tuple) else (value,) for name, value in given if value is not None}
    return {name.rstrip("_").replace("_", "-"): ", ".join(map(str, values)) for name, values in shown.items()}


def _tls(tls_cert: Path | None, tls_key: Path | None, tls_client_ca: Path | None) -> TlsFiles | None:
    """Raises click.UsageError if some of the flags are missing."""
    all_or_none(tls_cert=tls_cert, tls_key=tls_key, tls_client_ca=tls_client_ca)
    if tls_cert is None or tls_key is None or tls_client_ca is None:
        return None
    return TlsFiles(tls_cert, tls_key, tls_client_ca)
