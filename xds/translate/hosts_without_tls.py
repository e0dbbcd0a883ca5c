"""Hosts that ingress-nginx would redirect to HTTPS, and that are not redirected here."""

from xds.kube.objects import Ingress
from xds.problems.field_path import FieldPath
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.hosts import covers
from xds.traffic.https_redirect import HttpsRedirect, RedirectWhen
from xds.translate.findings import UnitFindings


def report_hosts_without_tls(ingress: Ingress, asked: HttpsRedirect, findings: UnitFindings) -> None:
    """Report the hosts of an Ingress with TLS entries that none of the entries covers.

    In ingress-nginx any TLS entry gives TLS, and the redirect, to all hosts of its Ingress.
    """
    entries = ingress.spec.tls or ()
    if asked.when is not RedirectWhen.WITH_TLS or not entries or not all(entry.hosts for entry in entries):
        return
    patterns = [host.lower() for entry in entries for host in entry.hosts or ()]
    for index, rule in enumerate(ingress.spec.rules or ()):
        host = rule.hostname
        if host and not any(covers(pattern, host) for pattern in patterns):
            message = (
                f"host {shown(host)} is redirected to HTTPS only if a TLS entry of another Ingress covers the host; "
                "ingress-nginx redirects all hosts of an Ingress with a TLS entry"
            )
            findings.report(ingress.ref, Reason.HOST_WITHOUT_TLS, message, FieldPath.of("spec", "rules", index, "host"))
