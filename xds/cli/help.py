"""The layout of `--help`: flags by subject, and examples below."""

from collections.abc import Iterable, Sequence
from typing import Any, Final

import click

GENERAL: Final = "Options"
"""The heading of flags that no subject lists: those of one command."""

SUBJECTS: Final = {
    "Filters": "-t -n",
    "Source of objects": "--from --kubeconfig --in-cluster --namespace",
    "Control plane to ask": "--server",
    "Addresses of this process": "--listen --admin --peers",
    "Page": "--ui --ui-allow-remote --ui-host",
    "Mutual TLS": "--tls-ca --tls-cert --tls-key --tls-server-name --tls-client-ca --tls-operators --allow-plaintext "
    "--sds-dir",
    "Status of Ingresses": "--publish-address --publish-service --lease-name",
    "Choice of Ingresses": "--ingress-class --controller-name --watch-ingress-without-class --disable-catch-all "
    "--host-ownership",
    "Rights of Ingresses": "--allow-external-name --allow-cross-namespace-resources --max-regex-size --authz",
    "ingress-nginx": "--compatibility --nginx-configmap --ignore-annotation",
    "Envoy's listeners": "--http-port --https-port --listener-address --public-http-port --public-https-port "
    "--proxy-protocol --trusted-hops",
    "Layer 4": "--tcp-services-configmap --udp-services-configmap --expose-ports --reserved-ports "
    "--enable-ssl-passthrough",
    "Gateway API": "--gateway-class --gateway-address --gateway-services",
    "HTTPS": "--redirect-https --default-tls-secret --https-min-version --https-cipher",
    "Requests and backends": "--default-backend --no-merge-slashes --pass-upgrade --replace-request-id --server-header "
    "--upstream-idle-timeout --no-vhds",
    "Envoy's metrics, access log and traces": "--traffic-metrics --access-log --access-log-field --otlp "
    "--trace-sampling",
    "Log of this process": "--log-level --log-format",
    "Output": "--output --exit-code",
    "General": "--version --help",
}
"""The flags of each subject, in the order of `--help`."""


class Command(click.Command):
    """A command with its flags by subject.

    Args:
        examples: Command lines, which are printed as they are.
    """

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        write_flags(self.get_params(ctx), ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        write_examples(self.examples, formatter)


class Group(click.Group):
    """A command with commands below.

    Args:
        examples: As of a Command.
    """

    command_class = Command

    def __init__(self, *args: Any, examples: Sequence[str] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        write_examples(self.examples, formatter)


def write_flags(parameters: Iterable[click.Parameter], ctx: click.Context, formatter: click.HelpFormatter) -> None:
    sections: dict[str, list[tuple[str, str]]] = {}
    for parameter in parameters:
        record = parameter.get_help_record(ctx) if isinstance(parameter, click.Option) else None
        if record:
            sections.setdefault(subject(parameter), []).append(record)
    for heading in (GENERAL, *SUBJECTS):
        if heading in sections:
            with formatter.section(heading):
                formatter.write_dl(sections[heading])


def subject(parameter: click.Parameter) -> str:
    """The heading over the flag."""
    return next((heading for heading, flags in SUBJECTS.items() if set(parameter.opts) & set(flags.split())), GENERAL)


def write_examples(examples: Sequence[str], formatter: click.HelpFormatter) -> None:
    if examples:
        with formatter.section("Examples" if len(examples) > 1 else "Example"):
            for example in examples:
                formatter.write(f"{'':{formatter.current_indent}}{example}\n")  # not wrapped: to be copied
