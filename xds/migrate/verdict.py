"""How close a part of an installation of ingress-nginx comes to ingress-nginx here."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final


class Verdict(StrEnum):
    """How close a part comes. Scripts depend on the values."""

    EXACT = "exact"
    APPROXIMATE = "approximate"
    """As in ingress-nginx, with a difference that the text states."""
    REFUSED = "refused"
    """Not to be had here; the text says what to do."""


_RANKS: Final = {verdict: rank for rank, verdict in enumerate(Verdict)}


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst verdict; EXACT without any."""
    return max(verdicts, key=_RANKS.__getitem__, default=Verdict.EXACT)
