"""Where `xds serve` reads objects: exactly one of a folder, an API server by a kubeconfig, and the one around a Pod."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from xds.cli.options import FILE, Folder, option
from xds.controlplane.settings import ClusterSource
from xds.kube.decode import is_namespace
from xds.kubeapi.client import Access

F = TypeVar("F", bound=Callable[..., Any])

_FLAGS = {"from_": "--from", "kubeconfig": "--kubeconfig", "in_cluster": "--in-cluster"}


class Namespace(click.ParamType):  # type: ignore[type-arg]  # not generic in every version
    name = "NS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not is_namespace(str(value)):
            self.fail(f"{value!r} is not the name of a namespace", param, ctx)
        return str(value)


def source_options(command: F) -> F:
    """`from_`, `kubeconfig`, `in_cluster` and `namespace` are for `source`."""
    for decorate in (
        option(
            "--namespace",
            type=Namespace(),
            multiple=True,
            metavar="NS",
            help="Follow this namespace of the API server only. Repeatable; all if there is none.",
        ),
        option("--in-cluster", is_flag=True, help="The API server of the cluster that this runs in, as its Pod may."),
        option("--kubeconfig", type=FILE, metavar="FILE", help="The API server of the file's current context."),
        option(
            "--from",
            "from_",
            type=Folder(path_type=Path),
            metavar="DIR",
            help="Kubernetes manifests in a folder, followed.",
        ),
    ):
        command = decorate(command)
    return command


def source(
    *, from_: Path | None, kubeconfig: Path | None, in_cluster: bool, namespace: tuple[str, ...]
) -> Path | ClusterSource:
    """What the flags say. One on the command line wins over another in the environment.

    Raises:
        click.UsageError: they don't say one thing.
    """
    chosen = _chosen({"from_": from_ is not None, "kubeconfig": kubeconfig is not None, "in_cluster": in_cluster})
    if chosen == "from_" and from_ is not None:
        if namespace:
            raise click.UsageError("--namespace chooses among an API server's; with --from all are served")
        return from_
    return ClusterSource(Access(kubeconfig if chosen == "kubeconfig" else None), namespace)


def _chosen(given: dict[str, bool]) -> str:
    context = click.get_current_context()
    names = [name for name, is_given in given.items() if is_given]
    typed = [name for name in names if context.get_parameter_source(name) is ParameterSource.COMMANDLINE]
    match typed or names:
        case [one]:
            return one
        case []:
            raise click.UsageError(f"say where the objects are: {', '.join(_FLAGS.values())}")
        case several:
            raise click.UsageError(f"{' and '.join(_FLAGS[name] for name in several)} exclude each other")
