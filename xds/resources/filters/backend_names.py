"""Names of a backend in its answers, replaced by those that clients know: in Location, Refresh and Set-Cookie.

Envoy has no filter for this but Lua. An error of the script lets an answer pass unchanged: nothing here protects.
"""

from typing import Final

from xds.envoyapi.messages import Any, DataSource, HttpFilter, Lua, LuaPerRoute, Struct, Value
from xds.resources.filters.backend_names_script import SCRIPT
from xds.resources.filters.switched import off, on
from xds.traffic.policy import Policy

NAME: Final = "backend-names"


def backend_names() -> HttpFilter:
    return off(NAME, Lua(default_source_code=DataSource(inline_string=SCRIPT)))


def backend_names_of(policy: Policy) -> Any | None:
    """The words of a route, which the script reads; None where names stay."""
    names = policy.backend_names
    if names is None:
        return None
    replacements = {"location": names.location, "path": names.cookie_path, "domain": names.cookie_domain}
    words = {
        name: Value(string_value=text)
        for place, each in replacements.items()
        if each
        for name, text in ((f"{place}_found", each.found), (f"{place}_by", each.by))
    }
    if names.completes_paths:
        words["completes_paths"] = Value(string_value="yes")
    return on(LuaPerRoute(filter_context=Struct(fields=words)))
