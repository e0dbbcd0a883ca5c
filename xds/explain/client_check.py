"""The check of client certificates, for requests without one."""

from typing import Final

from xds.explain.answer import CheckOutcome, ClientCheck
from xds.explain.https_redirect import RoutedRequest
from xds.problems.text import shown
from xds.traffic.client_certificates import ClientCertificates, Verification
from xds.traffic.hosts import covers, is_beginning
from xds.traffic.routes import ACME_CHALLENGES, VirtualHost
from xds.traffic.tls import Termination


def is_elsewhere(termination: Termination, host: str, found: VirtualHost | None, *, has_tls: bool) -> bool:
    """Whether a host is checked on other connections than those of a termination.

    Aliases for names with any end, or with any number of labels, have no connections of their own.

    Args:
        termination: Of the connection.
        host: Of the request.
        found: Answers for the host.
        has_tls: Whether a TLS entry names the host, so that its connections are known to be unchecked.
    """
    if found is None or found.checked in (None, termination.checked):
        return False
    return has_tls if is_beginning(found.host) else covers(found.host, host)


def decision(found: RoutedRequest, *, tls: bool, is_answered: bool) -> ClientCheck | None:
    """The check of a request; None on hosts without a check.

    Args:
        found: The request with its route.
        tls: Whether the request came by TLS.
        is_answered: Whether the proxy itself answers: by a redirect to HTTPS, or to a preflight.
    """
    checked = found.virtual_host.checked
    if checked is None:
        return None
    demands = checked.certificates
    if tls and demands.rejects:
        return ClientCheck(checked, CheckOutcome.REJECTED)
    if found.route is None and not is_answered:  # 404
        return ClientCheck(checked, CheckOutcome.ADMITTED)
    if demands.subject:
        return ClientCheck(checked, CheckOutcome.NO_SUBJECT)
    is_challenge = found.route and found.route.answers_challenges and found.path.startswith(ACME_CHALLENGES)
    is_let_in = tls or is_answered or is_challenge or not demands.rejects
    return ClientCheck(checked, CheckOutcome.ADMITTED if is_let_in else CheckOutcome.FORBIDDEN)


_MODES: Final = {
    Verification.ON: "clients must show a certificate",
    Verification.OPTIONAL: "clients may show a certificate",
    Verification.OPTIONAL_NO_CA: "clients may show any certificate, good or bad",
    Verification.OFF: "clients are asked for no certificate",
}


def demands_words(demands: ClientCertificates) -> str:
    """The demands of a host in words."""
    if demands.authorities is None:
        return "the authorities of client certificates can't be had"
    text = _MODES[demands.verification]
    if demands.credential:
        text = f"{text}, of an authority in Secret {demands.authorities}, depth {demands.depth}"
    if demands.subject:
        text = f"{text}, with {shown(demands.subject)} in the subject"
    return f"{text}; the backend gets the certificate" if demands.passes_certificate else text


def check_words(check: ClientCheck) -> str:
    """The check of a request without a certificate in words."""
    demands = check.checked.certificates
    words = demands_words(demands)
    if demands.authorities is None and check.outcome is CheckOutcome.ADMITTED:
        return f"{words}, so none is asked for"
    match check.outcome:
        case CheckOutcome.REJECTED:
            return f"{words}; a request without one is answered {check.status}"
        case CheckOutcome.FORBIDDEN:
            return f"{words}; plain HTTP, which has none, is answered 403"
        case CheckOutcome.NO_SUBJECT:
            return f"{words}; a request without a certificate is answered 403"
        case CheckOutcome.ADMITTED:
            return f"{words}; the request is let in without one"
