"""Decides on a request by the realm and the users that its route brings."""

import asyncio
import hmac
import secrets
from collections.abc import Callable, Mapping
from enum import Enum

from xds.authz import credentials, hashes
from xds.authz.answers import Answers
from xds.authz.metrics import Figures
from xds.authz.slow_checks import Outcome, SlowChecks
from xds.authz.waiting import Check


class Verdict(Enum):
    """The answer to a request."""

    ALLOWED = "allowed"
    DENIED = "denied"  # credentials missing or wrong: 401
    UNCONFIGURED = "unconfigured"  # the route names no users: 403
    OVERLOADED = "overloaded"  # 503
    FAILED = "failed"  # 503


_VERDICTS = {
    Outcome.RIGHT: Verdict.ALLOWED,
    Outcome.WRONG: Verdict.DENIED,
    Outcome.OVERLOADED: Verdict.OVERLOADED,
    Outcome.FAILED: Verdict.FAILED,
}


class Authorizer:
    """Checks credentials against a route's users."""

    def __init__(self, answers: Answers, slow: SlowChecks, figures: Figures) -> None:
        self._answers = answers
        self._slow = slow
        self._figures = figures
        self._secret = secrets.token_bytes(32)
        figures.results.update((verdict.value, 0) for verdict in Verdict)

    def decide(
        self,
        route: Mapping[str, bytes],
        authorization: bytes | None,
        client: bytes,
        decided: Callable[[Verdict], None],
    ) -> None:
        """Decide on a request.

        Args:
            route: `ingress` and `users` of the route. Without `users`, every request is denied.
            authorization: The Authorization header; None: no such header.
            client: The client's address.
            decided: Is called with the verdict: at once, or when a slow hash is computed.
        """

        def end(verdict: Verdict) -> None:
            self._figures.results[verdict.value] += 1
            decided(verdict)

        verdict = self._verdict(route, authorization, client)
        if isinstance(verdict, Verdict):
            end(verdict)
        else:
            verdict.add_done_callback(lambda outcome: end(_VERDICTS[outcome.result()]))

    def _verdict(
        self, route: Mapping[str, bytes], authorization: bytes | None, client: bytes
    ) -> "Verdict | asyncio.Future[Outcome]":
        if "users" not in route:
            return Verdict.UNCONFIGURED
        given = credentials.parse(authorization or b"")
        if given is None:
            return Verdict.DENIED
        users = route["users"]
        hash_ = credentials.hash_of(users, given.name)
        known = hash_ is not None
        if hash_ is None:
            # As slow as for a known name. A name has the same entry each time, as a known one has.
            digest = hmac.digest(self._secret, given.name, "sha256")
            hash_ = credentials.decoy(users, int.from_bytes(digest[:8], "big"))
        if hashes.slow_kind(hash_) is None:
            right = hashes.matches(hash_, given.password)
            return Verdict.ALLOWED if right and known else Verdict.DENIED
        user = given.name if known else b""
        key = self._answers.key(b"known" if known else b"unknown", hash_, given.password)
        cached = self._answers.get(key)
        if cached is not None:
            self._figures.cached += 1
            return Verdict.ALLOWED if cached else Verdict.DENIED
        check = Check(key, route.get("ingress", b""), user, client, hash_, given.password)
        outcome = self._slow.outcome(check)
        return _VERDICTS[outcome] if isinstance(outcome, Outcome) else outcome
