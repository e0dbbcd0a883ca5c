"""Claims that lose their port to an earlier claim."""

from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.translate.layer4.claims import Claim, Fault


def lost(claim: Claim, winner: Claim) -> Fault:
    """The fault of a lost claim. Sources of other namespaces are not named."""
    port, remedy = claim.held, "Claim another port."
    if winner.source == claim.source:
        written = winner.rank.text or winner.text
        why, remedy = f"port {port} is that of {shown(written)} already", "Remove one of the two."
    elif not winner.rank.is_of_service:
        why = f"port {port} is the operator's, by an entry of a ConfigMap"
    elif winner.source.namespace == claim.source.namespace:
        why = f"port {port} is that of {winner.source}, which is older, or comes first by name"
        remedy = f"Claim another port, or remove the item from {winner.source}."
    else:
        why = f"port {port} is that of an older Service in another namespace"
    return Fault(Reason.PORT_CONFLICT, f"{why}, so the entry is left out", remedy)
