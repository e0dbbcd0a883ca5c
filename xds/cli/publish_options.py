"""The addresses that `xds serve` writes to the status of Ingresses, and the Lease of the writing replica."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from xds.cli.names import LeaseName, ObjectName
from xds.cli.options import option
from xds.controlplane.settings import ClusterSource
from xds.problems.problem import Key
from xds.reporting.status import LoadBalancerAddress, PublishOptions

F = TypeVar("F", bound=Callable[..., Any])


class PublishedAddress(click.ParamType):  # type: ignore[type-arg]  # not generic in every version
    name = "ADDR"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> LoadBalancerAddress:
        if isinstance(value, LoadBalancerAddress):
            return value
        try:
            return LoadBalancerAddress.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def publish_options(command: F) -> F:
    """Adds `publish_address` and `publish_service`, for `publish`, and `lease_name`, for `lease`."""
    for decorate in (
        option(
            "--publish-service",
            type=ObjectName(),
            help="The Service in front of the Envoys; its addresses go to the status of Ingresses.",
        ),
        option(
            "--publish-address",
            type=PublishedAddress(),
            multiple=True,
            metavar="ADDR",
            help="An IP or hostname for the status of Ingresses. Repeatable; default: statuses stay unchanged.",
        ),
        option(
            "--lease-name",
            type=LeaseName(),
            help="The Lease of the replica that writes statuses and Events, in the Pod's namespace. Installations in "
            "one namespace need different names. Default: `xds-ingress`, followed by a name of --ingress-class.",
        ),
    ):
        command = decorate(command)
    return command


def publish(
    source: Path | ClusterSource, publish_address: tuple[LoadBalancerAddress, ...], publish_service: Key | None
) -> PublishOptions:
    """The addresses to publish.

    Raises:
        click.UsageError: the flags contradict each other, or the source is a folder.
    """
    if publish_address and publish_service:
        raise click.UsageError("--publish-address and --publish-service exclude each other")
    wanted = PublishOptions(tuple(dict.fromkeys(publish_address)), publish_service)
    if wanted and not isinstance(source, ClusterSource):
        flag = "--publish-address" if publish_address else "--publish-service"
        raise click.UsageError(f"{flag} needs an API server; with --from there is none")
    return wanted


def lease(source: Path | ClusterSource, lease_name: str | None) -> str:
    """The name of the Lease; empty: by the classes that are served.

    Raises:
        click.UsageError: the source is a folder.
    """
    if lease_name and not isinstance(source, ClusterSource):
        raise click.UsageError("--lease-name needs an API server; with --from there is none")
    return lease_name or ""
