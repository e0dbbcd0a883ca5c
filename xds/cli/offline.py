"""The pipeline of `xds serve` on a folder, without a server."""

from pathlib import Path
from typing import Any

import click
from click.core import ParameterSource

from xds.cli.options import F, Failed, Folder, Option, Server, plain_option, server_option, warn
from xds.cli.traffic_options import class_options, proxy_options, traffic_options, translate_options
from xds.controlplane.pipeline import Pipeline
from xds.kube.change import Applied, Batch, Listed, Reported
from xds.kube.objects import KINDS
from xds.kube.source import SourceError
from xds.kube.state import KubeState
from xds.sources.folder.source import read_folder


def offline_pipeline(folder: Path, traffic: dict[str, Any]) -> Pipeline:
    """A pipeline with the manifests of a folder. `traffic` holds the values of `traffic_options`.

    Raises:
        Failed: the folder can't be read.
    """
    _name_variables(traffic)
    options = translate_options(traffic)
    state = KubeState(
        class_options(traffic),
        claim_classless=True,
        default_tls_secret=options.default_tls_secret,
        default_service=options.default_service,
        config_maps=options.config_maps,
        config_references=options.config_references,
        config_asked=options.config_asked,
        annotated=options.annotated,
    )
    pipeline = Pipeline(state, options, proxy_options(traffic))
    if str(folder) == "-":
        raise Failed("standard input is not a folder; write the manifests into one: helm template … > DIR/all.yaml")
    try:
        objects, problems = read_folder(folder)
    except SourceError as error:
        raise Failed(str(error)) from None
    pipeline.apply([Batch((*map(Applied, objects), *map(Listed, KINDS), Reported(problems)), 0.0)], 0.0)
    return pipeline


def warn_of_other_classes(pipeline: Pipeline) -> None:
    """Warn of Ingresses that are left out because of their class, whose problems are not found."""
    state = pipeline.state_reader.state
    claims = {each.key: claim for each in state.ingresses() if not (claim := state.claim(each)).ours}
    if claims:
        first = min(claims)
        counted = f"{len(claims)} Ingresses are" if len(claims) > 1 else "1 Ingress is"
        warn(
            f"{counted} not ours and not looked at, such as Ingress {first}: {claims[first].why}. To take over the "
            "class of ingress-nginx: --ingress-class nginx --controller-name k8s.io/ingress-nginx"
        )


def _name_variables(traffic: dict[str, Any]) -> None:
    """Warn of variables that are meant for `xds serve`, and change the result here."""
    context = click.get_current_context()
    used = [
        str(each.envvar)
        for each in context.command.params
        if isinstance(each, Option)
        and each.name in traffic
        and context.get_parameter_source(each.name) is ParameterSource.ENVIRONMENT
    ]
    if used:
        warn(f"the result depends on {', '.join(used)} of the environment, as that of 'xds serve' does")


def server_or_folder_options(command: F) -> F:
    """Adds `server`, `from_` and `traffic_options`, for `server_or_folder`."""
    folder = plain_option(
        "--from",
        "from_",
        type=Folder(path_type=Path),
        metavar="DIR",
        help="Read manifests from this folder instead of asking a server.",
    )
    return server_option(folder(traffic_options(command)))


def server_or_folder(server: Server, from_: Path | None, traffic: dict[str, Any]) -> Server | Pipeline:
    """The server to ask, or a pipeline with the manifests of the folder.

    Raises:
        click.UsageError: the flags contradict each other.
        Failed: the folder can't be read.
    """
    source = click.get_current_context().get_parameter_source
    typed = ParameterSource.COMMANDLINE
    if source("from_") is typed and source("server") is typed:
        raise click.UsageError("--from reads a folder and --server asks a server; give only one")
    if from_:
        return offline_pipeline(from_, traffic)
    unused = [name for name in traffic if source(name) is typed]
    if unused:
        flags = ", ".join("--" + name.replace("_", "-") for name in unused)
        raise click.UsageError(f"{flags}: only for --from; a server has its own settings")
    return server
