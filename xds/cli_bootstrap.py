"""`xds bootstrap`."""

import shlex

import click

from xds.bootstrap import BootstrapOptions, bootstrap_yaml
from xds.cli_options import PORT, Address, option
from xds.server.address import HostPort, UnixPath


@click.command()
@option(
    "--xds", "control_plane", type=Address(), required=True, metavar=Address().name, help="Where the control plane is."
)
@option("--node-id", required=True, help="What this Envoy calls itself.")
@option("--node-cluster", default="xds-ingress", help="What its fleet is called.")
@option("--admin-port", type=PORT, default=9901, help="Of Envoy's admin interface, on 127.0.0.1.")
@option("--stats-port", type=PORT, help="Serve /ready and /stats/prometheus, and nothing else, on all addresses.")
@option("--sotw", is_flag=True, help="State of the world instead of delta.")
def bootstrap(
    *,
    control_plane: HostPort | UnixPath,
    node_id: str,
    node_cluster: str,
    admin_port: int,
    stats_port: int | None,
    sotw: bool,
) -> None:
    """Write the YAML that an Envoy is started with.

    Example: xds bootstrap --xds 127.0.0.1:18000 --node-id envoy-1 > envoy.yaml; envoy -c envoy.yaml
    """
    if not node_id or not node_cluster:
        raise click.UsageError("--node-id and --node-cluster can't be empty: Envoy refuses to start without them")
    if admin_port == stats_port:
        raise click.UsageError("--admin-port and --stats-port can't be the same")
    options = BootstrapOptions(control_plane, node_id, node_cluster, admin_port, stats_port, sotw)
    click.echo(f"# {_command(options)}\n{bootstrap_yaml(options)}", nl=False)


def _command(options: BootstrapOptions) -> str:
    """What to type to get the same."""
    words = ["xds", "bootstrap", "--xds", str(options.xds), "--node-id", options.node_id]
    words += ["--node-cluster", options.node_cluster, "--admin-port", str(options.admin_port)]
    words += ["--stats-port", str(options.stats_port)] if options.stats_port is not None else []
    words += ["--sotw"] if options.sotw else []
    return shlex.join(words).encode("unicode_escape").decode("ascii")
