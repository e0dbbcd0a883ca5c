"""What `xds serve` writes to the status of Ingresses."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from xds.cli.options import option
from xds.cli.traffic_options import ObjectName
from xds.controlplane.settings import ClusterSource
from xds.problems.problem import Key
from xds.reporting.status import Address, Publish

F = TypeVar("F", bound=Callable[..., Any])


class PublishedAddress(click.ParamType):  # type: ignore[type-arg]  # not generic in every version
    name = "ADDR"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Address:
        if isinstance(value, Address):
            return value
        try:
            return Address.parse(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


def publish_options(command: F) -> F:
    """`publish_address` and `publish_service` are for `publish`."""
    for decorate in (
        option(
            "--publish-service",
            type=ObjectName(),
            help="The Service in front of the Envoys; its addresses are written to the status of Ingresses.",
        ),
        option(
            "--publish-address",
            type=PublishedAddress(),
            multiple=True,
            metavar="ADDR",
            help="An IP or hostname for the status of Ingresses. Repeatable; without it, statuses are left alone.",
        ),
    ):
        command = decorate(command)
    return command


def publish(source: Path | ClusterSource, publish_address: tuple[Address, ...], publish_service: Key | None) -> Publish:
    """What the flags say.

    Raises:
        click.UsageError: they don't fit together, or the source.
    """
    if publish_address and publish_service:
        raise click.UsageError("--publish-address and --publish-service exclude each other")
    wanted = Publish(tuple(dict.fromkeys(publish_address)), publish_service)
    if wanted and not isinstance(source, ClusterSource):
        flag = "--publish-address" if publish_address else "--publish-service"
        raise click.UsageError(f"{flag} is written to an API server; with --from there is none")
    return wanted
