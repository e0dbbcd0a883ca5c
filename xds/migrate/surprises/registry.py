"""All surprises that can be recognised from the objects."""

from collections.abc import Iterator, Mapping
from typing import Final

from xds.migrate.inventory import Inventory
from xds.migrate.subject import Subject
from xds.migrate.surprises import access, canaries, passthrough, routing, traffic, values
from xds.migrate.surprises.rule import Rule

RULES: Final[Mapping[str, Rule]] = {
    rule.id: rule
    for rule in (
        *(*values.RULES, *routing.RULES, *canaries.RULES),
        *(*traffic.RULES, *access.RULES, *passthrough.RULES),
    )
}
"""By id."""


def surprises(subject: Subject, inventory: Inventory) -> Iterator[tuple[Rule, str]]:
    """The surprises of an Ingress, each with its particulars."""
    return ((rule, text) for rule in RULES.values() if (text := rule.find(subject, inventory)))
