"""Access: the requests that a route refuses, and its conditions in words. No user or hash is ever said."""

from collections.abc import Iterator
from typing import Final

from xds.explain.request import Request
from xds.traffic.access import Access, Passwords

UNAUTHENTICATED: Final = 401
"""The status of a request without a password that is asked for."""


def refusal(access: Access | None, request: Request) -> int:
    """The status of a request that is refused; 0 for one that is let in, if its password is right.

    Nobody is told whether a password is right: the answer would help to guess.
    """
    if access is None or access.any_suffices:
        return 0
    if access.passwords and not _has_credentials(request):
        return UNAUTHENTICATED
    return 0


def access_words(access: Access) -> Iterator[tuple[str, str]]:
    """The conditions of access, each as subject and text."""
    if access.passwords:
        yield "password", _password(access.passwords)


def _has_credentials(request: Request) -> bool:
    return (request.header("authorization") or "").lower().startswith("basic ")


def _password(asked: Passwords) -> str:
    users = f"{len(asked.users)} user{'' if len(asked.users) == 1 else 's'}"
    by = f"realm {asked.realm!r}, checked by `xds authz`" if asked.by_authz else "checked by the proxy"
    return f"asked for ({users} of Ingress {asked.ingress}, {by}); without the right one the answer is 401"
