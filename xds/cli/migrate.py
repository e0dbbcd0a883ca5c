"""`xds migrate`."""

import gc
import os
import sys
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any, Final

import click

from xds.cli.help import Command
from xds.cli.migration.data import report_data, sarif
from xds.cli.migration.gateway import conversion_data, manifests
from xds.cli.migration.input import Input, read_folder, read_text
from xds.cli.migration.judging import Wish, converted, judge
from xds.cli.migration.text import markdown, report_table, report_text
from xds.cli.names import ClassName, ObjectName
from xds.cli.options import FILE, Failed, plain_option
from xds.cli.output import console, write, write_data, write_utf8
from xds.cli.source_options import Namespace
from xds.migrate.controller import Controller, parse_arguments
from xds.migrate.ports import port_config_maps
from xds.migrate.report import Report
from xds.problems.problem import Key, Problem

GATEWAY_CLASS: Final = "xds-ingress"
"""The name of the GatewayClass that `--to gateway-api` prints."""


class ControllerArguments(click.ParamType):  # type: ignore[type-arg]  # not generic in every version
    name = "ARGS"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        try:
            return value if isinstance(value, dict) else parse_arguments(str(value))
        except ValueError as error:
            self.fail(f"{value!r} is no command line: {error}", param, ctx)


@click.command(
    cls=Command,
    examples=[
        "xds migrate",
        "xds migrate k8s/ --ingress-class nginx -o markdown > report.md",
        "xds migrate k8s/ --to gateway-api > routes.yaml",
    ],
)
@click.argument("source", metavar="[DIR|-]", required=False, type=click.Path(allow_dash=True, path_type=Path))
@plain_option(
    "--kubeconfig",
    type=FILE,
    metavar="FILE",
    help="Read the cluster of this file's current context. Default without DIR: $KUBECONFIG, or ~/.kube/config.",
)
@plain_option(
    "--namespace", type=Namespace(), multiple=True, metavar="NS", help="Report on this namespace alone. Repeatable."
)
@plain_option(
    "--ingress-class",
    type=ClassName(),
    multiple=True,
    metavar="NAME",
    help="Report on this class alone, which is ingress-nginx's. Repeatable. Default: the classes of its controller.",
)
@plain_option("--watch-ingress-without-class", is_flag=True, help="Report on Ingresses without a class, too.")
@plain_option(
    "--nginx-configmap",
    type=ObjectName(),
    help="ingress-nginx's ConfigMap. Default: as the controller's flags say, or one of the usual name.",
)
@plain_option(
    "--controller-args",
    type=ControllerArguments(),
    metavar="ARGS",
    help='The flags of ingress-nginx\'s controller, e.g. "--watch-ingress-without-class". Default: those of its '
    "Deployment or DaemonSet in the input.",
)
@plain_option(
    "--partial",
    is_flag=True,
    help="The input has not all Secrets, Services and ConfigMaps: none counts as missing. Kinds of which the input "
    "has no object are never missing.",
)
@plain_option(
    "--to",
    type=click.Choice(["gateway-api"]),
    help="Print objects of the Gateway API for the Ingresses, in place of the report. Comments name all that the API "
    "has no words for, and the Ingresses that have to stay.",
)
@plain_option(
    "--gateway",
    type=ObjectName(),
    default="xds-ingress/ingress",
    help="The Gateway of the printed routes, which is printed too.",
)
@plain_option(
    "-o",
    "--output",
    type=click.Choice(["text", "json", "sarif", "markdown"]),
    default="text",
    help="sarif is for code scanning services, markdown for a pull request.",
)
def migrate(
    *,
    source: Path | None,
    kubeconfig: Path | None,
    namespace: tuple[str, ...],
    ingress_class: tuple[str, ...],
    watch_ingress_without_class: bool,
    nginx_configmap: Key | None,
    controller_args: dict[str, str] | None,
    partial: bool,
    to: str | None,
    gateway: Key,
    output: str,
) -> int:
    """Report what will differ after a switch from ingress-nginx, Ingress by Ingress: exact, approximate or refused.

    Reads the manifests in DIR, or standard input (-), where `kubectl get -A -o yaml
    ingress,service,secret,configmap,ingressclass,deployment,daemonset` may write, or else a cluster. The exit code is 1
    if something is refused, or with --to if an Ingress has to stay, and 3 if a part of the input can't be read.
    """
    if to and output not in ("text", "json"):
        raise click.UsageError(f"--to has no output {output}; use text, which is YAML, or json")
    gc.disable()  # thousands of objects stay to the end
    exposing = port_config_maps(Controller(controller_args or {}, "")).values()
    found = _input(source, kubeconfig, nginx_configmap, namespace, exposing)
    wish = Wish(
        namespace, ingress_class, watch_ingress_without_class, nginx_configmap, controller_args, is_partial=partial
    )
    if to:
        conversion = converted(found, wish, gateway, GATEWAY_CLASS)
        if output == "json":
            write_data(conversion_data(conversion), output)
        else:
            write_utf8(manifests(conversion))
        _check_read(found.unreadable)
        return 1 if conversion.stays else 0
    report = judge(found, wish)
    _write_report(report, found, output)
    _check_read(report.unreadable)
    return 1 if report.has_refusals else 0


def _write_report(report: Report, found: Input, output: str) -> None:
    match output:
        case "json":
            write_data(report_data(report), output)
        case "sarif":
            write_data(sarif(report, found.places), output)
        case "markdown":
            write_utf8(markdown(report))
        case _:
            out = console()
            if report.ingresses:
                write(report_table(report))
            click.echo(report_text(report, colours=out.is_terminal and not out.no_color), nl=False, color=True)


def _check_read(unreadable: Collection[Problem]) -> None:
    """Fail for parts of the input that can't be read."""
    if count := len(unreadable):
        raise Failed(
            f"{count} part{'s'[: count != 1]} of the input can't be read; the report says which ones and why. Mend "
            "them, and run the command again."
        )


def _input(
    source: Path | None,
    kubeconfig: Path | None,
    config_map: Key | None,
    namespaces: tuple[str, ...],
    others: Iterable[Key],
) -> Input:
    if source is not None:
        if kubeconfig is not None:
            raise click.UsageError("DIR and --kubeconfig exclude each other")
        return read_text(sys.stdin.buffer.read()) if str(source) == "-" else read_folder(source)
    from xds.cli.migration.cluster import read_cluster  # noqa: PLC0415 -- the import of aiohttp takes 0.3 s

    return read_cluster(kubeconfig or _usual_kubeconfig(), config_map, namespaces, others)


def _usual_kubeconfig() -> Path:
    """The file that kubectl reads.

    Source: https://kubernetes.io/docs/concepts/configuration/organize-cluster-access-kubeconfig/
    """
    named = os.environ.get("KUBECONFIG", "").split(os.pathsep)[0]
    found = Path(named) if named else Path.home() / ".kube" / "config"
    if not found.exists():
        raise click.UsageError("name a folder, - for standard input, or a cluster with --kubeconfig FILE")
    return found
