"""The conditions of access to a route: in words, and as far as client address and headers decide.

No user or hash is ever said, nor whether a password is right: the answer would help to guess.
"""

import ipaddress
from collections.abc import Iterator, Sequence
from typing import Final

from xds.explain.request import Request
from xds.problems.text import shown
from xds.traffic.access import Access, Passwords
from xds.traffic.authorizer import Authorizer
from xds.traffic.tls import Sources

_NAMED_NETWORKS: Final = 5

_SUBJECT: Final = "access"


def list_words(access: Access) -> Iterator[tuple[str, str]]:
    """The lists of addresses, each as subject and text."""
    denied, allowed = access.denied, access.allowed
    if access.any_suffices:
        if allowed is None:
            return
        but_for = f", but not of {_named(denied)}," if denied else ""
        yield _SUBJECT, f"clients of {_named(allowed)}{but_for} are let in as they are, and the others only by the rest"
        return
    if denied is not None:
        yield _SUBJECT, f"403 for clients of {_named(denied)}"
    if allowed is not None:
        yield _SUBJECT, f"403 for clients of other networks than {_named(allowed)}"


def access_words(access: Access) -> Iterator[tuple[str, str]]:
    """The conditions of access, each as subject and text."""
    yield from list_words(access)
    if access.passwords:
        yield "password", _password(access.passwords)
    if access.authorizer:
        yield "authorizer", _authorizer(access.authorizer)


def _password(asked: Passwords) -> str:
    users = f"{len(asked.users)} user{'' if len(asked.users) == 1 else 's'}"
    by = f"realm {asked.realm!r}, checked by `xds authz`" if asked.by_authz else "checked by the proxy"
    return f"asked for ({users} of Ingress {asked.ingress}, {by}); without the right one the answer is 401"


def _authorizer(asked: Authorizer) -> str:
    by = f"asked by {asked.method or 'GET'}" + (f" at {asked.backend}" if asked.backend else "")
    refusal = f"401 becomes 302 to {shown(asked.sign_in)}" if asked.sign_in else "401 and 403 are passed on"
    passed = f"; the backend gets its {', '.join(asked.passed_headers)}" if asked.passed_headers else ""
    return f"{shown(str(asked.url))} decides, {by}: any 2xx lets in, {refusal}, and without such an answer 500{passed}"


def lacks_password(access: Access, request: Request) -> bool:
    """Whether a request is answered 401 because it has no user and password at all."""
    if access.passwords is None or (access.any_suffices and _may_be_let_in(access, request.client)):
        return False
    return not (request.header("authorization") or "").lower().startswith("basic ")


def is_forbidden(access: Access, client: str) -> bool:
    """Whether a list answers 403 to a client.

    Args:
        access: The conditions.
        client: The address that proxies know the client by; empty: unknown, and nobody is forbidden.
    """
    if not client or access.any_suffices:
        return False
    denied = access.denied is not None and _holds(access.denied, client)
    return denied or (access.allowed is not None and not _holds(access.allowed, client))


def lets_in(sources: Sources, client: str) -> bool:
    """Whether a client may connect. A client of unknown address, which is empty, may."""
    if not client:
        return True
    return (sources.allowed is None or _holds(sources.allowed, client)) and not _holds(sources.denied, client)


def _may_be_let_in(access: Access, client: str) -> bool:
    """Whether a list that suffices lets a client in; True for an unknown client, if there is such a list."""
    if access.allowed is None or not client:
        return access.allowed is not None
    return _holds(access.allowed, client) and not (access.denied and _holds(access.denied, client))


def _holds(networks: Sequence[str], client: str) -> bool:
    address = ipaddress.ip_address(client)
    return any(address in ipaddress.ip_network(network) for network in networks)


def _named(networks: Sequence[str]) -> str:
    more = len(networks) - _NAMED_NETWORKS
    return ", ".join(networks[:_NAMED_NETWORKS]) + (f" and {more} more" if more > 0 else "")
