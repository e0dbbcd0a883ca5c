"""The pipeline of `xds serve` on manifests, without a server."""

import shlex
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Final

import click
from click.core import ParameterSource

from xds.cli.options import F, Failed, Option, Server, plain_option, server_option, warn
from xds.cli.traffic_options import class_options, proxy_options, traffic_options, translate_options
from xds.controlplane.pipeline import Pipeline
from xds.kube.change import Applied, Batch, Listed, Reported
from xds.kube.ingress_class import class_name
from xds.kube.kinds import KINDS
from xds.kube.objects import Ingress, IngressClass
from xds.kube.source import SourceError
from xds.kube.state import KubeState
from xds.problems.text import shown
from xds.sources.folder.reading import STANDARD_INPUT_SOURCES, Reading, read_sources

SOURCE_HELP: Final = "a file, a folder, or - for standard input"


class Source(click.Path):
    """A file, a folder, or standard input. An empty value is an error: click would take the working directory."""

    name = "source"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not value:
            self.fail(f"the value is empty; name {SOURCE_HELP}", param, ctx)
        return super().convert(value, param, ctx)


def sources_argument(command: F) -> F:
    """Adds `sources`, for `read`."""
    return click.argument("sources", metavar="SOURCE…", type=Source(), nargs=-1, required=True)(command)


def read(sources: Sequence[str]) -> Reading:
    """The manifests of all sources.

    Raises:
        click.UsageError: standard input is named twice.
        Failed: a source can't be read.
    """
    if sum(each in STANDARD_INPUT_SOURCES for each in sources) > 1:
        raise click.UsageError("standard input can be read once; name it once")
    try:
        return read_sources(sources, _standard_input)
    except SourceError as error:
        raise Failed(str(error)) from None


def _standard_input(limit: int) -> bytes:
    if sys.stdin.isatty():
        warn("waiting for manifests on standard input, up to Ctrl-D; a command can write them: helm template … |")
    try:
        return sys.stdin.buffer.read(limit)
    except OSError as error:
        raise Failed(
            f"standard input can't be read ({error.strerror or error}); pipe manifests, as in helm template … |"
        ) from None


def offline_pipeline(reading: Reading, traffic: dict[str, Any]) -> Pipeline:
    """A pipeline with manifests. `traffic` holds the values of `traffic_options`."""
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
    pipeline.apply(
        [Batch((*map(Applied, reading.manifests.objects()), *map(Listed, KINDS), Reported(reading.problems)), 0.0)], 0.0
    )
    return pipeline


def other_ingresses(pipeline: Pipeline) -> list[Ingress]:
    """The Ingresses that are left out because of their class, by namespace and name."""
    state = pipeline.state_reader.state
    return sorted((each for each in state.ingresses() if not state.claim(each).ours), key=lambda each: each.key)


def warn_of_other_classes(reading: Reading, pipeline: Pipeline) -> None:
    """Warn of Ingresses that are left out because of their class, whose problems are not found."""
    if others := other_ingresses(pipeline):
        counted = f"{len(others)} Ingresses are" if len(others) > 1 else "1 Ingress is"
        why = pipeline.state_reader.state.claim(others[0]).why
        warn(
            f"{counted} not ours and not looked at, such as Ingress {others[0].key}: {why}. "
            f"{flags_for_classes(reading, others)}"
        )


def flags_for_classes(reading: Reading, others: Iterable[Ingress]) -> str:
    """The flags that take over the most frequent class of Ingresses, as a sentence."""
    ((name, _),) = Counter(map(class_name, others)).most_common(1)
    if name is None:
        return "To take over Ingresses without a class: --watch-ingress-without-class"
    known = (each for each in reading.manifests.objects() if isinstance(each, IngressClass))
    controller = next((each.spec.controller for each in known if each.metadata.name == name), "")
    controller_flag = f" --controller-name {shlex.quote(controller)}" if controller else ""
    return f"To take over the class {shown(name)}: --ingress-class {shlex.quote(name)}{controller_flag}"


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


def server_or_manifests_options(command: F) -> F:
    """Adds `server`, `from_` and `traffic_options`, for `server_or_manifests`."""
    sources = plain_option(
        "--from",
        "from_",
        type=Source(),
        multiple=True,
        metavar="SOURCE",
        help=f"Read manifests instead of asking a server: {SOURCE_HELP}. Repeatable.",
    )
    return server_option(sources(traffic_options(command)))


def server_or_manifests(server: Server, from_: tuple[str, ...], traffic: dict[str, Any]) -> Server | Pipeline:
    """The server to ask, or a pipeline with the manifests.

    Raises:
        click.UsageError: the flags contradict each other.
        Failed: a source can't be read.
    """
    source = click.get_current_context().get_parameter_source
    typed = ParameterSource.COMMANDLINE
    if source("from_") is typed and source("server") is typed:
        raise click.UsageError("--from reads manifests and --server asks a server; give only one")
    if from_:
        return offline_pipeline(read(from_), traffic)
    unused = [name for name in traffic if source(name) is typed]
    if unused:
        flags = ", ".join("--" + name.replace("_", "-") for name in unused)
        raise click.UsageError(f"{flags}: only for --from; a server has its own settings")
    return server
