"""docs/surprises.md, written from the registry of surprises."""

from pathlib import Path
from typing import Final

from xds.migrate.general import GENERAL
from xds.migrate.surprises.ports import PORT_RULES
from xds.migrate.surprises.registry import RULES

PAGE: Final = Path(__file__).parents[2] / "docs" / "surprises.md"

_INTRODUCTION: Final = """\
# Surprises of ingress-nginx

What ingress-nginx does although nobody wrote it, by the ids of `xds migrate`. The report names the Ingress, the paths
and the neighbours; most surprises end with the switch, and some begin.

This page is generated from xds/migrate/surprises by `make generate`.

| Id | Meaning |
|---|---|
"""

_PORTS: Final = """
## Of TCP and UDP ports

| Id | Meaning |
|---|---|
"""

_GENERAL: Final = """
## Of all Ingresses and ports

Told once, at the end of the report.

| Id | Meaning |
|---|---|
"""

_UNSEEN: Final = """
## Not seen from the objects

| What | Why | How to find out |
|---|---|---|
"""

_UNSEEN_ROWS: Final = (
    (
        "a changed Ingress whose new value is bad is served by its last good form until the controller restarts",
        "the last form is in the controller's memory",
        "the controller's log: `ignoring ingress`",
    ),
    (
        "how long a value that nginx refuses has kept changes back",
        "as above",
        "the controller's log: `Error reloading NGINX`",
    ),
    (
        "names of auth services, mirrors and ExternalNames that lead to a loopback or link-local address",
        "DNS decides at the time of the request",
        "look the names up from a Pod",
    ),
    (
        "backends that need a Content-Length, or break when they see a request three times",
        "the application decides",
        "try uploads and slow answers",
    ),
    (
        "backends whose certificates have a common name and no DNS name",
        "the certificates are in the backends",
        "`openssl s_client`",
    ),
    (
        "WebSockets that are silent for minutes, on paths without a timeout of their own",
        "the application decides",
        "try one",
    ),
)


def text() -> str:
    rules = "".join(f"| `{rule.id}` | {rule.meaning} |\n" for rule in RULES.values())
    ports = "".join(f"| `{rule.id}` | {rule.meaning} |\n" for rule in PORT_RULES.values())
    general = "".join(f"| `{rule.id}` | {rule.meaning} |\n" for rule in GENERAL.values())
    unseen = "".join(f"| {' | '.join(row)} |\n" for row in _UNSEEN_ROWS)
    return _INTRODUCTION + rules + _PORTS + ports + _GENERAL + general + _UNSEEN + unseen
