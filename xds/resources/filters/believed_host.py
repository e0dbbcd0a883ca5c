"""The Host that a proxy in front names in x-forwarded-host, for backends and redirects. Routes go by the Host as sent.

Of several names, of several proxies, the first one counts. No other filter of Envoy's can take a Host from a header:
they may not change `:authority`. An error of the script leaves the Host as sent: nothing here protects.
"""

from typing import Final

from xds.envoyapi import codec
from xds.envoyapi.messages import DataSource, HttpFilter, Lua

_SCRIPT: Final = """\
function envoy_on_request(handle)
  local headers = handle:headers()
  local host = (headers:get("x-forwarded-host") or ""):match("^%s*([%w.:%[%]-]+)")
  if host then
    headers:replace("x-forwarded-host", host)
    headers:replace(":authority", host)
  end
end
"""


def believed_host() -> HttpFilter:
    """The filter. The request's route stays."""
    script = Lua(default_source_code=DataSource(inline_string=_SCRIPT), clear_route_cache=False)
    return HttpFilter(name="believed-host", typed_config=codec.pack(script))
