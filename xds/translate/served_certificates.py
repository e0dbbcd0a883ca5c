"""Certificates that are served from Secrets: of each Secret the last good one, with a current OCSP response."""

from collections.abc import Iterator, Set
from dataclasses import dataclass
from datetime import datetime

from xds.kube.objects import Secret
from xds.problems.problem import Key
from xds.problems.reasons import Reason
from xds.traffic.tls import Certificate
from xds.translate.certificate_dates import Validity
from xds.translate.certificates import Verdict, judge


class CertificateStore:
    """Judges each Secret once, and remembers the last good certificate of a Secret that went bad.

    A last good certificate is kept while the Secret exists and is used, and no longer than the process lives.
    """

    def __init__(self) -> None:
        self._judged: dict[Key, tuple[Secret, Verdict]] = {}
        self._last_good: dict[Key, Verdict] = {}

    def forget(self, key: Key) -> None:
        self._judged.pop(key, None)
        self._last_good.pop(key, None)

    def keep(self, used: Set[Key]) -> None:
        """Forget all other Secrets. Nothing announces the deletion of a Secret that is no longer watched."""
        for key in self._judged.keys() - used:
            self.forget(key)

    def judge(self, secret: Secret) -> Verdict:
        """The verdict on a Secret, from memory if the Secret is unchanged."""
        known = self._judged.get(secret.key)
        if known is None or known[0] != secret:
            known = (secret, judge(secret))
            self._judged[secret.key] = known
            if known[1].certificate:
                self._last_good[secret.key] = known[1]
        return known[1]

    def verdict(self, key: Key) -> Verdict | None:
        """The latest verdict on a Secret; None for a Secret that doesn't exist or isn't used."""
        judged = self._judged.get(key)
        return judged[1] if judged else None

    def last_good(self, key: Key) -> Verdict | None:
        """The latest verdict with a certificate, which is served; None for a Secret that never had a usable one."""
        return self._last_good.get(key)


@dataclass(frozen=True, slots=True)
class ServedCertificate:
    """The certificate that is served from a Secret at a time.

    Attributes:
        certificate: None: the Secret never had a usable one.
        why_not: Why the content of the Secret can't be served; empty for a usable Secret.
        faults: Of the Secret, with the effect of each. Without a certificate, only that the Secret can't be used.
        dates: At which the faults, or the certificate, change although the Secret doesn't.
    """

    certificate: Certificate | None
    why_not: str = ""
    faults: tuple[tuple[Reason, str], ...] = ()
    dates: tuple[datetime, ...] = ()


def served_certificate(store: CertificateStore, secret: Secret, now: datetime) -> ServedCertificate:
    """The certificate to serve from a Secret."""
    verdict, good = store.judge(secret), store.last_good(secret.key)
    faults: list[tuple[Reason, str]] = []
    if verdict.certificate is None:
        effect = "; its last good certificate is still served" if good else ""
        faults.append((Reason.SECRET_INVALID, f"Secret {secret.key} can't be used: {verdict.why_not}{effect}"))
    elif verdict.chain_fault:
        message = f"the certificate of Secret {secret.key} is served as it is: {verdict.chain_fault}"
        faults.append((Reason.CERTIFICATE_CHAIN_BROKEN, message))
    if good is None:
        return ServedCertificate(None, verdict.why_not, tuple(faults))
    dates = list(good.validity.dates) if good.validity else []
    if good.validity:
        faults.extend(_date_faults(secret.key, good.validity, now))
    if good.staple and good.staple.validity:
        dates += [good.staple.validity.begins, good.staple.validity.expires]
    certificate, fault = _stapled(secret.key, good, now)
    if fault:
        faults.append(fault)
    return ServedCertificate(certificate, verdict.why_not, tuple(faults), tuple(dates))


def _stapled(key: Key, verdict: Verdict, now: datetime) -> tuple[Certificate | None, tuple[Reason, str] | None]:
    """The certificate with its OCSP response, if that is current.

    A certificate that demands a response keeps an outdated one: Envoy rejects such a certificate without, and ends
    handshakes by its own clock.
    """
    staple = verdict.staple
    if staple is None:
        return verdict.certificate, None
    period = staple.validity
    if period is None:
        message = f"tls.ocsp-staple of Secret {key} is not sent: {staple.why_not}"
        return verdict.certificate, (Reason.OCSP_STAPLE_INVALID, message)
    if period.begins <= now < period.expires:
        return verdict.certificate, None
    effect = "handshakes fail, as the certificate demands one" if verdict.staple_is_required else "it is not sent"
    bounds = f"{period.begins:%Y-%m-%d %H:%M} to {period.expires:%Y-%m-%d %H:%M} UTC"
    message = f"tls.ocsp-staple of Secret {key} is valid from {bounds}; {effect}"
    certificate = verdict.certificate if verdict.staple_is_required else verdict.unstapled
    return certificate, (Reason.OCSP_STAPLE_OUTDATED, message)


def _date_faults(key: Key, validity: Validity, now: datetime) -> Iterator[tuple[Reason, str]]:
    """The faults of a certificate outside its time, which is served: clients may have another clock."""
    subject, expires = f"the certificate of Secret {key}", validity.expires
    if expires <= now:
        yield Reason.CERTIFICATE_EXPIRED, f"{subject} expired on {expires:%Y-%m-%d %H:%M} UTC; it is still served"
    elif validity.warned <= now:
        yield Reason.CERTIFICATE_EXPIRES_SOON, f"{subject} expires on {expires:%Y-%m-%d %H:%M} UTC"
    if validity.begins > now:
        message = f"{subject} is not valid before {validity.begins:%Y-%m-%d %H:%M} UTC; it is served all the same"
        yield Reason.CERTIFICATE_NOT_YET_VALID, message
