"""What `serve` would make of a folder, without a server."""

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from xds.cli.options import F, Failed, Folder, Server, option, server_option
from xds.cli.traffic_options import proxy_options, traffic_options, translate_options
from xds.controlplane.pipeline import Pipeline
from xds.kube.change import Applied, Batch, Listed, Reported
from xds.kube.objects import KINDS
from xds.kube.source import SourceError
from xds.kube.state import KubeState
from xds.sources.folder.source import read_folder


def offline(folder: Path, ingress_class: str, traffic: dict[str, Any]) -> Pipeline:
    """A pipeline that was fed with the manifests of a folder. `traffic` are the values of `traffic_options`.

    Raises:
        Failed: the folder can't be read.
    """
    options = translate_options(traffic)
    state = KubeState(ingress_class, claim_classless=True, default_tls_secret=options.default_tls_secret)
    pipeline = Pipeline(state, options, proxy_options(traffic))
    try:
        objects, problems = read_folder(folder)
    except SourceError as error:
        raise Failed(str(error)) from None
    pipeline.apply([Batch((*map(Applied, objects), *map(Listed, KINDS), Reported(problems)), 0.0)], 0.0)
    return pipeline


def source_options(command: F) -> F:
    """`server`, `from_` and `traffic_options` are for `chosen`: whom to ask, or what to read instead."""
    folder = option(
        "--from", "from_", type=Folder(path_type=Path), metavar="DIR", help="Manifests, instead of a server."
    )
    return server_option(folder(traffic_options(command)))


def chosen(server: Server, from_: Path | None, ingress_class: str, traffic: dict[str, Any]) -> Server | Pipeline:
    """Whom to ask, or a pipeline that was fed with a folder: what was typed wins over the environment, and a server in
    the environment over a folder there, which may be meant for `xds serve`.

    Raises:
        click.UsageError: the flags don't go together.
        Failed: the folder can't be read.
    """
    source = click.get_current_context().get_parameter_source
    typed = ParameterSource.COMMANDLINE
    if source("from_") is typed and source("server") is typed:
        raise click.UsageError("--from reads a folder and --server asks a server; give one of them")
    if from_ and (source("from_") is typed or source("server") is ParameterSource.DEFAULT):
        return offline(from_, ingress_class, traffic)
    astray = [name for name in ("ingress_class", *traffic) if source(name) is typed]
    if astray:
        flags = ", ".join("--" + name.replace("_", "-") for name in astray)
        raise click.UsageError(f"{flags}: a server has its own; that is for --from")
    return server
