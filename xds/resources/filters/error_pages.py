"""Error pages: an answer with one of certain codes is replaced by that of another backend."""

from xds.envoyapi.messages import CustomResponse, HttpFilter
from xds.resources.filters.switched import off

NAME = "error-pages"


def error_pages() -> HttpFilter:
    """First in the chain: only there the filter sees answers of the other filters."""
    return off(NAME, CustomResponse())
