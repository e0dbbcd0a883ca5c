"""`xds bootstrap`."""

import dataclasses
import shlex
from pathlib import Path

import click

from xds.address import HostPort, UnixPath
from xds.bootstrap.client_tls import ClientTls
from xds.bootstrap.config import BootstrapOptions, bootstrap_yaml
from xds.bootstrap.tls import EnvoyTls, sds_files
from xds.cli.help import Command
from xds.cli.options import FILE, PORT, Address, Failed, IpAddress, Number, client_tls, client_tls_options, option


@click.command(
    cls=Command,
    examples=[
        "xds bootstrap --xds 127.0.0.1:18000 --node-id me > envoy.yaml",
    ],
)
@option(
    "--xds",
    "control_plane",
    type=Address(),
    required=True,
    metavar=Address().name,
    help="The address of the control plane.",
)
@option("--node-id", required=True, help="The id of this Envoy.")
@option("--node-cluster", default="xds-ingress", help="The name of the fleet.")
@option("--admin-port", type=PORT, default=9901, help="The port of Envoy's admin interface.")
@option(
    "--admin-address",
    type=IpAddress(),
    default="127.0.0.1",
    metavar="ADDR",
    help="The address of Envoy's admin interface. Whoever reaches the interface can stop Envoy.",
)
@option(
    "--stats-port",
    type=PORT,
    help="A port on all addresses, IPv6 and IPv4, for /ready and /stats/prometheus only.",
)
@option(
    "--max-memory",
    type=Number(1, 2**63 - 1),
    metavar="BYTES",
    help="The most memory for Envoy: from 90 % on, connections end after a response; from 95 % on, none are accepted.",
)
@option("--all-stats", is_flag=True, help="Keep all of Envoy's metrics: some 250 for each Service with traffic.")
@option("--sotw", is_flag=True, help="Use the state-of-the-world variant of xDS instead of delta.")
@client_tls_options
@option(
    "--sds-dir", type=FILE, metavar="DIR", help="With TLS: a folder for two files that make Envoy reload certificates."
)
def bootstrap(
    *,
    control_plane: HostPort | UnixPath,
    node_id: str,
    node_cluster: str,
    admin_port: int,
    admin_address: str,
    stats_port: int | None,
    max_memory: int | None,
    all_stats: bool,
    sotw: bool,
    tls_ca: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    tls_server_name: str | None,
    sds_dir: Path | None,
) -> None:
    """Write the bootstrap configuration of an Envoy, in YAML.

    With TLS, --tls-cert must contain the node's id or cluster as a DNS or URI name, letter for letter. All paths are as
    seen by Envoy. Envoy reloads files that are replaced by a rename, as in volumes of Kubernetes.
    """
    if not node_id or not node_cluster:
        raise click.UsageError("--node-id and --node-cluster can't be empty: Envoy doesn't start without them")
    if admin_port == stats_port:
        raise click.UsageError("--admin-port and --stats-port can't be the same")
    tls = _tls(control_plane, client_tls(tls_ca, tls_cert, tls_key, tls_server_name), sds_dir)
    options = BootstrapOptions(
        control_plane,
        node_id,
        node_cluster,
        admin_port,
        stats_port,
        sotw,
        tls,
        admin_address=admin_address,
        max_memory_bytes=max_memory,
        all_stats=all_stats,
    )
    text = f"# {_command(options)}\n{bootstrap_yaml(options)}"
    if tls is not None:
        _write(sds_files(tls), tls.sds_dir)
    click.echo(text.encode(), nl=False)  # UTF-8, whatever the terminal has


def _tls(address: HostPort | UnixPath, files: ClientTls | None, sds_dir: Path | None) -> EnvoyTls | None:
    """Raises click.UsageError if a flag is missing."""
    if files is None:
        return None
    if sds_dir is None:
        raise click.UsageError(
            "--tls-ca, --tls-cert and --tls-key need --sds-dir: Envoy reloads certificates by the files in it"
        )
    name = files.server_name or (address.host if isinstance(address, HostPort) else "")
    if not name:
        raise click.UsageError(
            f"--xds {address} has no host name for the certificate; give the name with --tls-server-name"
        )
    return EnvoyTls(dataclasses.replace(files, server_name=name), sds_dir)


def _write(files: dict[str, str], folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (folder / name).write_text(content, encoding="utf-8")
    except OSError as error:
        raise Failed(f"--sds-dir {folder} can't be written to: {error.strerror}") from None


def _command(options: BootstrapOptions) -> str:
    """The command line that gives the same output."""
    words = ["xds", "bootstrap", "--xds", str(options.xds), "--node-id", options.node_id]
    words += ["--node-cluster", options.node_cluster, "--admin-port", str(options.admin_port)]
    words += ["--admin-address", options.admin_address] if options.admin_address != "127.0.0.1" else []
    words += ["--stats-port", str(options.stats_port)] if options.stats_port is not None else []
    words += ["--max-memory", str(options.max_memory_bytes)] if options.max_memory_bytes is not None else []
    words += ["--all-stats"] if options.all_stats else []
    words += ["--sotw"] if options.sotw else []
    words += _tls_words(options.tls) if options.tls else []
    return shlex.join(words).encode("unicode_escape").decode("ascii")


def _tls_words(tls: EnvoyTls) -> list[str]:
    files = tls.files
    words = ["--tls-ca", str(files.ca), "--tls-cert", str(files.certificate), "--tls-key", str(files.private_key)]
    return [*words, "--tls-server-name", files.server_name, "--sds-dir", str(tls.sds_dir)]
