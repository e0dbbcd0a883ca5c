"""Headers that a route sets."""

from xds.envoyapi.messages import HeaderValue, HeaderValueOption, HeaderValueOptionHeaderAppendAction
from xds.traffic.headers import HeaderChanges


def replaced(header: str, value: str) -> HeaderValueOption:
    """A header with a value as written, in place of any other value.

    A Location too: an action of Envoy's would take the URL apart, and gives direct responses a Location of its own.
    """
    return HeaderValueOption(
        header=HeaderValue(key=header, value=value.replace("%", "%%")),
        append_action=HeaderValueOptionHeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
    )


def formatted(header: str, value: str) -> HeaderValueOption:
    """A header whose value has commands of Envoy's, in place of any other value."""
    return HeaderValueOption(
        header=HeaderValue(key=header, value=value),
        append_action=HeaderValueOptionHeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
    )


def added(header: str, value: str) -> HeaderValueOption:
    """A header with a value as written, beside any other value."""
    return HeaderValueOption(
        header=HeaderValue(key=header, value=value.replace("%", "%%")),
        append_action=HeaderValueOptionHeaderAppendAction.APPEND_IF_EXISTS_OR_ADD,
    )


def changed_headers(changes: HeaderChanges) -> list[HeaderValueOption]:
    """The headers that are set or added. Proxies remove headers first."""
    return [replaced(name, value) for name, value in changes.values] + [added(*each) for each in changes.added]
