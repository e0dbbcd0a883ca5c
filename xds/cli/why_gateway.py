"""`xds why gateway`, `xds why httproute` and the other kinds of the Gateway API."""

from typing import Any, Final

import click

from xds.cli.help import Command
from xds.cli.names import ObjectName
from xds.cli.offline import server_or_manifests_options
from xds.cli.options import Server, argument, exit_code_option, output_option
from xds.cli.why_object import why_object
from xds.kube.gateway_objects import ROUTE_KINDS, BackendTLSPolicy, Gateway, GatewayClass, ListenerSet
from xds.kube.objects import KubeObject
from xds.problems.problem import Key, ObjectRef

_LISTENERS: Final = "its address, each listener that is served or not and why, and the number of attached routes"
_ROUTE: Final = "the listeners that accept the route or not and why, and each match with its backends and endpoints"
_ABOUT: Final[dict[type[KubeObject], str]] = {
    GatewayClass: "whether the class is ours, and its conditions",
    Gateway: _LISTENERS,
    ListenerSet: _LISTENERS.removeprefix("its address, "),
    **dict.fromkeys(ROUTE_KINDS, _ROUTE),
    BackendTLSPolicy: "the Gateways whose requests the policy is for, and whether the policy can be followed",
}


class ClusterObjectName(click.ParamType):  # type: ignore[type-arg]  # not generic in every version
    """The name of an object without a namespace."""

    name = "NAME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Key:
        if isinstance(value, Key):
            return value
        if not value or "/" in str(value):
            self.fail(f"{value!r} is not NAME: the kind has no namespace", param, ctx)
        return Key("", str(value))


def _command(kind: type[KubeObject], about: str) -> click.Command:
    metavar, form = ("NS/NAME", ObjectName()) if kind.namespaced else ("NAME", ClusterObjectName())
    example = "infra/edge" if kind is Gateway else "default/shop" if kind.namespaced else "envoy"
    article = "an" if kind.kind.startswith("HTTP") else "a"

    @argument("name", metavar=metavar, type=form)
    @server_or_manifests_options
    @output_option
    @exit_code_option
    def run(*, name: Key, server: Server, from_: tuple[str, ...], output: str, exit_code: bool, **traffic: Any) -> int:
        return why_object(ObjectRef(kind.kind, *name), server, from_, output, traffic, exit_code=exit_code)

    text = (
        f"Explain the state of {article} {kind.kind}: {about}; problems, and the number of proxies in sync.\n\n"
        "With --from, no server is needed. With --exit-code, the exit code is 0 if each part is served and has "
        "endpoints, else 1."
    )
    name = kind.kind.lower()
    return click.command(name, cls=Command, help=text, examples=[f"xds why {name} {example}"])(run)


GATEWAY_COMMANDS: Final = tuple(_command(kind, about) for kind, about in _ABOUT.items())
