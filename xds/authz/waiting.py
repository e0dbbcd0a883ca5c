"""Checks of passwords that wait for a slow hash, and their order. Pure: nothing is computed here.

Turns go round the Ingresses, within an Ingress round its users, and within a user round the clients' addresses. A
guesser therefore delays others by one hash, however many requests it sends; and its own requests, beyond a few, fail.
"""

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

MAX_OF_CLIENT: Final = 4
"""Most waiting checks of one client's address for one user. Checks of one password count once."""

MAX_OF_USER: Final = 64

MAX_OF_INGRESS: Final = 1_000

MAX_OF_ALL: Final = 4_000


@dataclass(eq=False, slots=True)
class Check:
    """A check to do.

    Attributes:
        key: Equal for checks of the same password and hash.
        ingress: The Ingress of the user.
        user: The user's name; empty for names that the Ingress doesn't know.
        client: The client's address.
    """

    key: bytes
    ingress: bytes
    user: bytes = field(repr=False)
    client: bytes
    hash: bytes = field(repr=False)
    password: bytes = field(repr=False)


@dataclass(eq=False, slots=True)
class _User:
    running: bool = False
    waiting: int = 0
    clients: OrderedDict[bytes, deque[Check]] = field(default_factory=OrderedDict)


@dataclass(eq=False, slots=True)
class _Ingress:
    running: int = 0
    waiting: int = 0
    users: OrderedDict[bytes, _User] = field(default_factory=OrderedDict)


class WaitingChecks:
    """Waiting and running checks.

    Args:
        slots: Most running checks. One Ingress has at most half of them, and at least one; a user has one.
    """

    def __init__(self, slots: int) -> None:
        self._slots = slots
        self._share = max(1, slots // 2)
        self._ingresses: OrderedDict[bytes, _Ingress] = OrderedDict()
        self.running = 0
        self.waiting = 0

    def put(self, check: Check) -> bool:
        """Let a check wait. False if too many wait already."""
        ingress = self._ingresses.get(check.ingress) or _Ingress()
        user = ingress.users.get(check.user) or _User()
        clients = user.clients.get(check.client) or deque()
        full = (
            len(clients) >= MAX_OF_CLIENT
            or user.waiting >= MAX_OF_USER
            or ingress.waiting >= MAX_OF_INGRESS
            or self.waiting >= MAX_OF_ALL
        )
        if full:
            return False
        self._ingresses[check.ingress] = ingress
        ingress.users[check.user] = user
        user.clients[check.client] = clients
        clients.append(check)
        self._count_waiting(ingress, user, 1)
        return True

    def take(self) -> Iterator[Check]:
        """The checks to start now, which run from here on."""
        while self.running < self._slots and (check := self._next()) is not None:
            yield check

    def withdraw(self, check: Check) -> bool:
        """Remove a waiting check. False if it doesn't wait."""
        ingress = self._ingresses.get(check.ingress)
        user = ingress and ingress.users.get(check.user)
        clients = user and user.clients.get(check.client)
        if not ingress or not user or not clients or check not in clients:
            return False
        clients.remove(check)
        if not clients:
            del user.clients[check.client]
        self._count_waiting(ingress, user, -1)
        self._tidy(check)
        return True

    def end(self, check: Check) -> None:
        """Note that a running check has ended."""
        ingress = self._ingresses[check.ingress]
        self.running -= 1
        ingress.running -= 1
        ingress.users[check.user].running = False
        self._tidy(check)

    def _next(self) -> Check | None:
        for ingress in self._ingresses.values():
            if ingress.running < self._share and ingress.waiting:
                for user in ingress.users.values():
                    if user.waiting and not user.running:
                        return self._start(ingress, user)
        return None

    def _start(self, ingress: _Ingress, user: _User) -> Check:
        """Take the next check of a user, and put user, client and Ingress at the end of their rows."""
        client, checks = next(iter(user.clients.items()))
        check = checks.popleft()
        if checks:
            user.clients.move_to_end(client)
        else:
            del user.clients[client]
        ingress.users.move_to_end(check.user)
        self._ingresses.move_to_end(check.ingress)
        self._count_waiting(ingress, user, -1)
        user.running = True
        ingress.running += 1
        self.running += 1
        return check

    def _count_waiting(self, ingress: _Ingress, user: _User, change: int) -> None:
        self.waiting += change
        ingress.waiting += change
        user.waiting += change

    def _tidy(self, check: Check) -> None:
        """Forget user and Ingress if nothing of theirs runs or waits."""
        ingress = self._ingresses[check.ingress]
        user = ingress.users[check.user]
        if not user.running and not user.waiting:
            del ingress.users[check.user]
        if not ingress.running and not ingress.waiting:
            del self._ingresses[check.ingress]
