"""Parts of the debug API's messages in brief, the same in the commands and on the page."""

from collections.abc import Iterable
from typing import Final

from xds.api.v1 import debug_pb2 as pb
from xds.snapshot.resource import ResourceType

OTHER_PATH: Final = "is another path"
MAX_OTHER_PATHS: Final = 20
"""Routes shown whose path has nothing in common with the request's, at most. A host may have thousands."""


def short_type(type_url: str) -> str:
    """The short name, e.g. `cds`; for a type that only a newer server knows, the name of the message."""
    try:
        return ResourceType(type_url).short
    except ValueError:
        return type_url.rpartition(".")[2]


def sync_state(type_: pb.ProxyType) -> str:
    """The state of a type at a proxy in a word or two."""
    if type_.rejected_resources:
        return "rejected"
    if type_.on_trial_resources:
        return "on trial"
    return "in sync" if type_.in_sync else "sending"


def shown_routes(tried: Iterable[pb.TriedRoute]) -> tuple[list[pb.TriedRoute], int]:
    """The routes to show, and the number of those left out."""
    kept: list[pb.TriedRoute] = []
    left, more = MAX_OTHER_PATHS, 0
    for each in tried:
        if each.why == OTHER_PATH and left == 0:
            more += 1
            continue
        left -= each.why == OTHER_PATH
        kept.append(each)
    return kept, more
