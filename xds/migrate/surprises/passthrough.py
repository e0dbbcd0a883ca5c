"""Surprises of TLS passthrough."""

from typing import Final

from xds.migrate.inventory import Inventory
from xds.migrate.passthrough import NAME
from xds.migrate.subject import Subject, access_of
from xds.migrate.surprises.rule import Rule, listed

_LISTS: Final = frozenset({"whitelist-source-range", "allowlist-source-range", "denylist-source-range"})


def _passes(subject: Subject, inventory: Inventory) -> bool:
    return inventory.passes_tls and subject.is_on(NAME) and not subject.is_canary


def _off(subject: Subject, inventory: Inventory) -> str:
    if inventory.passes_tls or not subject.is_on(NAME):
        return ""
    return "the controller runs without --enable-ssl-passthrough, so TLS is ended, there and here"


def _without_root(subject: Subject, inventory: Inventory) -> str:
    if not _passes(subject, inventory):
        return ""
    found = [host for host in subject.hosts if host and inventory.root_owner(host) is None]
    return f"no path / of type Prefix: TLS connections are closed, there and here: {listed(found)}" if found else ""


def _takes_host(subject: Subject, inventory: Inventory) -> str:
    """An Ingress whose annotation takes a host of an older Ingress."""
    if not _passes(subject, inventory):
        return ""
    found = []
    for host in subject.hosts:
        owner = inventory.root_owner(host)
        if owner is not None and owner is not subject and not owner.is_on(NAME):
            found.append(f"{owner.key} for {host}")
    return f"the Service of an older Ingress gets the undecrypted connections: {listed(found)}" if found else ""


def _of_neighbour(subject: Subject, inventory: Inventory) -> str:
    if subject.is_canary or subject.is_on(NAME):
        return ""
    found = [
        f"{host} by {each.key}"
        for host, each in inventory.neighbours(subject)
        if host and _passes(each, inventory) and any(path.host == host and path.text != "/" for path in subject.paths)
    ]
    return f"over TLS no request reaches the paths here, but the Service of /: {listed(found)}" if found else ""


def _wildcard(subject: Subject, inventory: Inventory) -> str:
    found = [host for host in subject.hosts if host.startswith("*.")] if _passes(subject, inventory) else []
    return f"only a client that sends the star itself is passed through today: {listed(found)}" if found else ""


def _alias(subject: Subject, inventory: Inventory) -> str:
    if not _passes(subject, inventory) or not subject.text("server-alias"):
        return ""
    return f"TLS of aliases is ended today, and passed through after the switch: {subject.text('server-alias')}"


def _lists(subject: Subject, inventory: Inventory) -> str:
    found = [name for name in access_of(subject) if name in _LISTS] if _passes(subject, inventory) else []
    return f"{listed(found)} counts for plain HTTP only; here for TLS connections, too" if found else ""


def _unprotected(subject: Subject, inventory: Inventory) -> str:
    found = [name for name in access_of(subject) if name not in _LISTS] if _passes(subject, inventory) else []
    return f"{listed(found)} has no effect on TLS connections, there and here" if found else ""


RULES: Final = (
    Rule("passthrough-off", "ssl-passthrough has no effect without the controller's flag.", _off),
    Rule(
        "passthrough-without-root",
        "TLS connections of a host that is passed through need the path / of type Prefix.",
        _without_root,
    ),
    Rule(
        "passthrough-takes-host",
        "ssl-passthrough of one Ingress holds for the whole host, also for a Service that expects decrypted requests; "
        "here the oldest Ingress that says how decides.",
        _takes_host,
    ),
    Rule("passthrough-of-neighbour", "Another Ingress has the host's TLS passed through.", _of_neighbour),
    Rule(
        "passthrough-wildcard",
        "A wildcard is passed through for no real name; here for names of one label more.",
        _wildcard,
    ),
    Rule("passthrough-alias", "Names of server-alias are not passed through; here they are.", _alias),
    Rule("passthrough-lists", "Address lists hold for plain HTTP only; here they hold for TLS, too.", _lists),
    Rule("passthrough-unprotected", "Nothing but address lists can protect undecrypted connections.", _unprotected),
)
