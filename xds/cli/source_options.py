"""The source of objects: a folder, an API server by kubeconfig, or the API server of the cluster around a Pod."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
from click.core import ParameterSource

from xds.cli.options import FILE, Folder, option
from xds.controlplane.settings import ClusterSource
from xds.kube.decode import is_namespace
from xds.kubeapi.kubeconfig import Access

F = TypeVar("F", bound=Callable[..., Any])

_FLAGS = {"from_": "--from", "kubeconfig": "--kubeconfig", "in_cluster": "--in-cluster"}


class Namespace(click.ParamType):  # type: ignore[type-arg]  # not generic in every version
    name = "NS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if not is_namespace(str(value)):
            self.fail(f"{value!r} is not the name of a namespace", param, ctx)
        return str(value)


def source_options(command: F) -> F:
    """Adds `from_`, `kubeconfig`, `in_cluster` and `namespace`, for `source`."""
    for decorate in (
        option(
            "--namespace",
            type=Namespace(),
            multiple=True,
            metavar="NS",
            help="Watch only this namespace of the API server. Repeatable; default: all namespaces.",
        ),
        option(
            "--in-cluster", is_flag=True, help="Use the API server of the own cluster, with the Pod's service account."
        ),
        option("--kubeconfig", type=FILE, metavar="FILE", help="Use the API server of this file's current context."),
        option(
            "--from",
            "from_",
            type=Folder(path_type=Path),
            metavar="DIR",
            help="Read Kubernetes manifests from this folder, and follow changes.",
        ),
    ):
        command = decorate(command)
    return command


def source(
    *, from_: Path | None, kubeconfig: Path | None, in_cluster: bool, namespace: tuple[str, ...]
) -> Path | ClusterSource:
    """The source that the flags choose. A flag wins over the environment.

    Raises:
        click.UsageError: the flags choose none, or more than one.
    """
    chosen = _chosen({"from_": from_ is not None, "kubeconfig": kubeconfig is not None, "in_cluster": in_cluster})
    if chosen == "from_" and from_ is not None:
        if namespace:
            raise click.UsageError("--namespace is for an API server; --from serves all namespaces")
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
            raise click.UsageError(f"name the source of objects: {', '.join(_FLAGS.values())}")
        case several:
            raise click.UsageError(f"{' and '.join(_FLAGS[name] for name in several)} exclude each other")
