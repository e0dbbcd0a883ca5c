"""The answer to requests with two Host headers."""

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    FaultAbort,
    FractionalPercent,
    HeaderMatcher,
    HttpFault,
    HttpFilter,
    StringMatcher,
)


def reject_two_hosts() -> HttpFilter:
    """A filter that answers 400 to a comma in the host, which no DNS name has.

    Envoy joins the values of two Host headers by a comma, and takes everything behind the last colon for the port, so
    the second value could hide from the virtual host's name, and reach the backend.
    Source: https://www.rfc-editor.org/rfc/rfc9112#section-3.2
    """
    two = HeaderMatcher(name=":authority", string_match=StringMatcher(contains=","))
    abort = FaultAbort(http_status=400, percentage=FractionalPercent(numerator=100))
    return HttpFilter(name="reject-two-hosts", typed_config=codec.pack(HttpFault(abort=abort, headers=[two])))
