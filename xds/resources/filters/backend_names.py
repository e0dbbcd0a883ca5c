"""Names of a backend in its answers, replaced by those that clients know: in Location, Refresh and Set-Cookie."""

from typing import Final

from xds.envoyapi.messages import DataSource, HttpFilter, Lua
from xds.resources.filters.switched import off

NAME = "backend-names"

_SCRIPT: Final = "function envoy_on_response(handle) end"


def backend_names() -> HttpFilter:
    return off(NAME, Lua(default_source_code=DataSource(inline_string=_SCRIPT)))
