"""Headers of all answers to clients."""

from xds.envoyapi.messages import HeaderValue, HeaderValueOption, HeaderValueOptionHeaderAppendAction
from xds.resources.options import ProxyOptions


def response_headers(options: ProxyOptions, *, tls: bool) -> list[HeaderValueOption]:
    """The headers, each in place of the backend's."""
    responses = options.policy.responses
    written = dict(responses.written)
    if tls and responses.transport_security:
        written["strict-transport-security"] = responses.transport_security
    replaced = HeaderValueOptionHeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD
    return [
        HeaderValueOption(header=HeaderValue(key=name, value=value), append_action=replaced)
        for name, value in written.items()
    ]
