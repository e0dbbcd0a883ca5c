"""The Host of the backend's request, which may have the client's Host as a part."""

from typing import Final

CLIENTS_HOST: Final = "${host}"
"""Stands for the client's Host in lower case, without a port. No host has such characters."""

CLIENTS_HOST_AND_PORT: Final = "${http_host}"
"""Stands for the client's Host as written."""


def for_host(template: str, host: str) -> str:
    """A template for requests of one host; empty if the client's Host is meant.

    Args:
        template: A Host, with the two variables or without.
        host: The host of all requests; empty for several, whose Host is taken as written.
    """
    text = template.replace(CLIENTS_HOST, host or CLIENTS_HOST_AND_PORT)
    return "" if text == CLIENTS_HOST_AND_PORT else text
