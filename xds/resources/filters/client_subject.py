"""The subjects of client certificates that are let in (auth-tls-match-cn): others are answered 403."""

from typing import Final

from xds.envoyapi.messages import HttpFilter
from xds.resources.filters.address_lists import NOBODY
from xds.resources.filters.switched import off

NAME: Final = "client-subject"


def client_subject() -> HttpFilter:
    """The filter, which lets nobody in but on virtual hosts that say whom."""
    return off(NAME, NOBODY)
