"""The command line of `xds serve` for what ingress-nginx serves today."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from xds.kube.objects import Service
from xds.migrate.config_keys import CROSS_NAMESPACE
from xds.migrate.controller import Controller
from xds.migrate.flags import flag_verdicts
from xds.migrate.inventory import Inventory
from xds.migrate.values import is_true
from xds.problems.problem import Key

MAX_REGEX_SIZE: Final = 10_000
"""As in the bootstrap configuration of Envoy that `xds bootstrap` writes."""

OTLP_PORT: Final = 4317

AUTHZ_ADDRESS: Final = "unix:/run/xds/authz.sock"
"""Of `xds authz`, in the manifests of the fleet."""


def command_line(
    controller: Controller,
    classes: Iterable[str],
    config_map: Key | None,
    inventory: Inventory,
    services: Mapping[Key, Service],
    *,
    exposed: Iterable[Key] = (),
) -> Iterator[str]:
    """The arguments, without the source of objects.

    Args:
        controller: Of ingress-nginx.
        classes: Names of its IngressClasses.
        config_map: Its ConfigMap.
        inventory: Its Ingresses.
        services: All Services of the input.
        exposed: Services behind TCP and UDP ports.
    """
    named = sorted(set(classes))
    yield from ("--compatibility", "ingress-nginx")
    if len(named) == 1:
        yield from ("--ingress-class", named[0])
    yield from ("--controller-name", controller.controller_name)
    if config_map:
        yield from ("--nginx-configmap", str(config_map))
    for flag in flag_verdicts(controller.flags):
        yield from flag.ours
    if not controller.flags and asks_for_passthrough(inventory):
        yield "--enable-ssl-passthrough"
    if needs_external_names(controller, inventory, services, exposed):
        yield "--allow-external-name"
    if is_true((inventory.config or {}).get(CROSS_NAMESPACE, "")):
        yield "--allow-cross-namespace-resources"
    if collector := (inventory.config or {}).get("otlp-collector-host"):
        yield from ("--otlp", f"{collector}:{(inventory.config or {}).get('otlp-collector-port') or OTLP_PORT}")
    if any(each.has("auth-secret") for each in inventory.subjects):
        yield from ("--authz", AUTHZ_ADDRESS)
    if inventory.regex_hosts:
        yield from ("--max-regex-size", str(MAX_REGEX_SIZE))


def asks_for_passthrough(inventory: Inventory) -> bool:
    """Whether an Ingress asks for TLS passthrough."""
    return any(each.is_on("ssl-passthrough") for each in inventory.subjects)


def needs_external_names(
    controller: Controller, inventory: Inventory, services: Mapping[Key, Service], exposed: Iterable[Key] = ()
) -> bool:
    """Whether an Ingress or a port leads to a Service of type ExternalName, or an Ingress copies requests outside."""
    if controller.is_on("disable-svc-external-name"):
        return False
    return any(_is_external(services.get(key)) for key in exposed) or any(
        each.text("mirror-target") or any(_is_external(services.get(Key(*port[:2]))) for port in each.services)
        for each in inventory.subjects
    )


def _is_external(service: Service | None) -> bool:
    return service is not None and service.spec.type == "ExternalName"
