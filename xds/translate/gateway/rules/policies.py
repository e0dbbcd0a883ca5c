"""Policies of a rule beside its filters: timeouts, retries and session persistence.

Source: https://gateway-api.sigs.k8s.io/geps/gep-1742/, https://gateway-api.sigs.k8s.io/geps/gep-1731/ and
https://gateway-api.sigs.k8s.io/geps/gep-1619/
"""

import hashlib
import re
from dataclasses import replace
from datetime import timedelta
from typing import Final

from xds.kube.gateway_objects import GRPCRouteRule, HTTPRouteRetry, HTTPRouteRule, HTTPRouteTimeouts, SessionPersistence
from xds.problems.field_path import FieldPath
from xds.problems.text import shown
from xds.traffic.affinity import Affinity
from xds.traffic.policy import NO_POLICY, Policy
from xds.traffic.retries import Retries
from xds.traffic.timeouts import Timeouts
from xds.translate.gateway.rules.durations import duration
from xds.translate.gateway.rules.findings import RouteFindings, invalid_value
from xds.translate.nginx.custom_headers import NEVER_SET

DEFAULT_ATTEMPTS: Final = 2
MAX_ATTEMPTS: Final = 99
"""Bounds the work that one request makes."""

_USUAL_SILENCE: Final = timedelta(hours=1)
"""The silence that ends requests of all routes, unless a longer time for an answer is granted."""

_SESSION_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_DIGEST_BYTES: Final = 6


def rule_policy(findings: RouteFindings, rule: HTTPRouteRule | GRPCRouteRule, at: FieldPath) -> Policy:
    """The policy of a rule, without its filters; NO_POLICY for most rules.

    Raises:
        InvalidRuleError: a value isn't valid, or can't be followed.
    """
    policy = NO_POLICY
    if isinstance(rule, HTTPRouteRule) and (rule.timeouts or rule.retry):
        policy = _with_times(policy, rule.timeouts or HTTPRouteTimeouts(), rule.retry, at)
    if rule.session_persistence:
        affinity = _affinity(findings, rule.session_persistence, at)
        if affinity.header and sum(each.weight > 0 for each in rule.backend_refs or ()) > 1:
            why = "sessions by header can't be kept over several backendRefs; use type Cookie"
            raise invalid_value(why, at.child("sessionPersistence", "type"))
        policy = replace(policy, affinity=affinity)
    return policy


def _with_times(policy: Policy, written: HTTPRouteTimeouts, retry: HTTPRouteRetry | None, at: FieldPath) -> Policy:
    field = at.child("timeouts")
    request = _time(written.request, field.child("request"))
    of_try = _time(written.backend_request, field.child("backendRequest"))
    if request and of_try and of_try > request:
        raise invalid_value(f"{written.backend_request} is longer than request", field.child("backendRequest"))
    retries = _retries(retry, of_try, at.child("retry")) if retry else None
    # Without a retry, the only try is the request.
    whole = request if retries else of_try or request
    silence = whole if whole and whole > _USUAL_SILENCE else None
    if whole is None and retries is None:
        return policy
    return replace(policy, timeouts=Timeouts(silence=silence, whole=whole), retries=retries)


def _time(text: str | None, at: FieldPath) -> timedelta | None:
    """A time; None for zero too, which has no bound."""
    if text is None:
        return None
    found = duration(text)
    if found is None:
        raise invalid_value(f"{shown(text)} is no duration, such as 10s or 1h30m", at)
    return found or None


def _retries(written: HTTPRouteRetry, longest_try: timedelta | None, at: FieldPath) -> Retries:
    for index, code in enumerate(written.codes or ()):
        if not 400 <= code <= 599:
            raise invalid_value(f"{code} is no status from 400 to 599", at.child("codes", index))
    attempts = DEFAULT_ATTEMPTS if written.attempts is None else written.attempts
    if not 1 <= attempts <= MAX_ATTEMPTS:
        raise invalid_value(f"{attempts} is no number from 1 to {MAX_ATTEMPTS}", at.child("attempts"))
    return Retries(
        tries=1 + attempts,
        on_error=True,
        on_timeout=True,
        on_statuses=tuple(sorted({*(written.codes or ())})),
        any_method=True,
        pause=_time(written.backoff, at.child("backoff")),
        longest_try=longest_try,
    )


def _affinity(findings: RouteFindings, written: SessionPersistence, at: FieldPath) -> Affinity:
    field = at.child("sessionPersistence")
    name = written.session_name or _default_name(findings, at)
    if not _SESSION_NAME.fullmatch(name):
        raise invalid_value(f"{shown(name)} is no name of a cookie or header", field.child("sessionName"))
    lifetime = _time(written.absolute_timeout, field.child("absoluteTimeout"))
    if written.idle_timeout:
        raise invalid_value("sessions can't end after a pause", field.child("idleTimeout"))
    if written.type == "Header":
        if lifetime:
            raise invalid_value("sessions by header can't end after a time", field.child("absoluteTimeout"))
        if name.lower() in NEVER_SET or name.lower().startswith("x-envoy-"):
            raise invalid_value(f"{shown(name)} is a header of another meaning", field.child("sessionName"))
        return Affinity(name, path="/", moves_on_failure=True, header=name.lower())
    if written.type != "Cookie":
        raise invalid_value(f"{shown(written.type)} is neither Cookie nor Header", field.child("type"))
    if lifetime is None and written.cookie_config and written.cookie_config.lifetime_type == "Permanent":
        raise invalid_value("a permanent cookie needs an absoluteTimeout", field.child("cookieConfig"))
    return Affinity(name, path="/", moves_on_failure=True, lifetime=lifetime)


def _default_name(findings: RouteFindings, at: FieldPath) -> str:
    """A name that no other rule has."""
    rule = f"{findings.route.ref.kind} {findings.route.key} {at}"
    return f"xds-session-{hashlib.blake2s(rule.encode(), digest_size=_DIGEST_BYTES).hexdigest()}"
