"""`kubectl xds`: the questions of `xds` to a control plane in a cluster, as a plugin of kubectl.

Source: https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/
"""

import os
import signal
import sys
from typing import Final, NoReturn

import click
from click.shell_completion import ShellComplete

from xds.cli.forward import INSTANCE_LABEL, SELECTOR, Forward, Kubectl
from xds.cli.main import SECTIONS, Commands, prepare_streams, run
from xds.cli.options import Connector, plain_option, version_option

NAME: Final = "kubectl xds"

QUESTIONS: Final = "Questions to a control plane"

ENDING: Final = (signal.SIGTERM, signal.SIGHUP)


@click.group(
    cls=Commands,
    sections={QUESTIONS: SECTIONS[QUESTIONS]},
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    examples=["kubectl xds proxies", "kubectl xds -n ingress --context prod explain https://shop.example.com/"],
)
@plain_option("-n", "--namespace", default="xds-ingress", metavar="NS", help="The namespace of the control plane.")
@plain_option("--context", "cluster", metavar="NAME", help="The context of the kubeconfig.")
@plain_option("--kubeconfig", metavar="FILE", help="Default: $KUBECONFIG, or ~/.kube/config.")
@plain_option(
    "--instance",
    metavar="NAME",
    help="The installation, if the namespace has several: the Helm release, or the name of its Deployment.",
)
@plain_option("-l", "--selector", default=SELECTOR, metavar="LABELS", help="The labels of the control plane's Pods.")
@plain_option(
    "--secret",
    metavar="NAME",
    help="The Secret with a certificate for operators, if --listen uses TLS. Default: the one that the Pod names. "
    "--tls-cert of a command replaces it.",
)
@version_option
@click.pass_context
def kubectl_xds(
    context: click.Context,
    *,
    namespace: str,
    cluster: str | None,
    kubeconfig: str | None,
    instance: str | None,
    selector: str,
    secret: str | None,
) -> None:
    """Ask a control plane in a cluster, by a port that kubectl forwards for the time of the command.

    These flags stand before the command; those after the command are of `xds`.
    """
    flags = {"--context": cluster, "--kubeconfig": kubeconfig}
    chosen = tuple(f"{flag}={value}" for flag, value in flags.items() if value)
    labels = f"{selector},{INSTANCE_LABEL}={instance}" if instance else selector
    context.obj = Connector(Forward(Kubectl(chosen, namespace), labels, secret or "").connected)


def main() -> NoReturn:
    prepare_streams()
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    for number in ENDING:
        signal.signal(number, _exit)  # an exception, which ends the forward
    sys.exit(run(sys.argv[1:], kubectl_xds, NAME))


def _exit(number: int, _frame: object) -> NoReturn:
    for each in ENDING:
        signal.signal(each, signal.SIG_IGN)
    sys.exit(128 + number)


def complete() -> None:
    """Print completions of the last argument, for `kubectl` itself.

    Source: https://kubernetes.io/docs/tasks/extend-kubectl/kubectl-plugins/#shell-completion
    """
    *words, incomplete = sys.argv[1:] or [""]
    completer = ShellComplete(kubectl_xds, {}, NAME, "")
    for each in completer.get_completions(words, incomplete):
        click.echo(f"{each.value}\t{each.help or ''}".rstrip())
    click.echo(":4")  # no names of files
