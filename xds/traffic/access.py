"""Access: the requests of a route that reach its backend."""

from dataclasses import dataclass, field
from typing import Final

from xds.problems.problem import Key
from xds.traffic.authorizer import Authorizer


@dataclass(frozen=True, slots=True)
class Passwords:
    """Basic authentication.

    Attributes:
        realm: Shown to the user.
        users: Names with the hash of the password, each name once. Not shown anywhere.
        ingress: Asks for the passwords.
        by_authz: Whether `xds authz` checks passwords. False: the proxy, which knows {SHA} only.
    """

    realm: str
    users: tuple[tuple[str, str], ...] = field(repr=False)
    ingress: Key
    by_authz: bool = True


@dataclass(frozen=True, slots=True)
class Access:
    """The conditions of access.

    Attributes:
        denied: Networks of clients that are answered 403. None: there is no such list.
        allowed: Networks of clients, all others being answered 403. None: there is no such list.
        passwords: None: no password is asked for.
        authorizer: A service that is asked about each request. None: none is.
        any_suffices: Whether one of `allowed`, `passwords` and `authorizer` suffices. False: all must hold. With True,
            `denied` does no more than take clients from `allowed`.
    """

    denied: tuple[str, ...] | None = None
    allowed: tuple[str, ...] | None = None
    passwords: Passwords | None = None
    authorizer: Authorizer | None = None
    any_suffices: bool = False


EVERYBODY: Final = Access()
