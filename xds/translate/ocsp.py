"""Whether a Secret holds an OCSP response to staple to its certificate.

The signature is left to clients, as Envoy does.
"""

from dataclasses import dataclass

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.x509 import Certificate
from cryptography.x509.ocsp import OCSPCertStatus, OCSPResponseStatus, OCSPSingleResponse, load_der_ocsp_response

from xds.translate.certificate_dates import Validity


@dataclass(frozen=True, slots=True)
class StapleVerdict:
    """The judgement of an OCSP response.

    Attributes:
        validity: From thisUpdate to nextUpdate; None for an unusable response.
        why_not: Why the response can't be stapled; empty for a usable one.
    """

    validity: Validity | None
    why_not: str = ""


def judge_staple(der: bytes, leaf: Certificate) -> StapleVerdict:
    """Judge a response: Envoy must accept it for the certificate, and it must say that the certificate is good."""
    try:
        response = load_der_ocsp_response(der)
        if response.response_status is not OCSPResponseStatus.SUCCESSFUL:
            return StapleVerdict(None, f"the responder answered {response.response_status.name}")
        answers = list(response.responses)
        if len(answers) != 1:
            return StapleVerdict(None, f"it answers for {len(answers)} certificates")
        return _judge_answer(answers[0], leaf)
    except (ValueError, UnsupportedAlgorithm):
        return StapleVerdict(None, "it is not an OCSP response in DER")


def _judge_answer(answer: OCSPSingleResponse, leaf: Certificate) -> StapleVerdict:
    if answer.serial_number != leaf.serial_number:
        return StapleVerdict(None, "it is for another certificate")
    if answer.certificate_status is not OCSPCertStatus.GOOD:
        return StapleVerdict(None, f"it says that the certificate is {answer.certificate_status.name}")
    if answer.next_update_utc is None:
        return StapleVerdict(None, "it has no nextUpdate")
    return StapleVerdict(Validity(answer.this_update_utc, answer.next_update_utc))
