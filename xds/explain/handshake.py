"""The choice by SNI in words: the certificate, the Service that TLS is passed to, or why a connection is closed."""

from collections.abc import Iterable, Sequence

from xds.explain.answer import Choice, Handshake
from xds.explain.explanation import ExplainStep
from xds.explain.policies import cipher_text
from xds.problems.problem import ObjectRef
from xds.problems.text import shown
from xds.translate.certificates import Verdict


def handshake_step(
    step: Handshake, owner: Sequence[ObjectRef], verdicts: Iterable[Verdict | None], closed: Iterable[str] = ()
) -> ExplainStep:
    """The step `certificate`, or `passthrough`.

    Args:
        step: The choice.
        owner: The Ingress that decided.
        verdicts: On the Secrets of the chosen termination, in its order.
        closed: The hosts that an Ingress asks to be passed through, and that can't be.
    """
    sni = f"SNI {shown(step.sni)}" if step.sni else "no SNI"
    if passed := step.passthrough:
        by = "by name" if step.choice is Choice.PRECISE else f"by wildcard {shown(step.pattern)}"
        text = f"{sni}: {by}, TLS is passed through undecrypted to {passed.backend}"
        service = ObjectRef("Service", *passed.backend.service_key)
        return ExplainStep("passthrough", text, (*owner, service))
    if step.termination is None:
        title = "passthrough" if step.pattern in set(closed) else "certificate"
        return ExplainStep(title, _none(step, sni, is_passthrough=title == "passthrough"), tuple(owner))
    secrets = [ObjectRef("Secret", *each) for each in step.termination.secrets]
    certificates = " and the one of ".join(
        f"{secret}{_until(verdict)}" for secret, verdict in zip(secrets, verdicts, strict=True)
    )
    if step.choice is Choice.DEFAULT:
        text = f"{sni}: no TLS host covers the name, so the default certificate of {certificates}"
    else:
        text = f"{sni}: TLS host {shown(step.pattern)} has the certificate of {certificates}"
    return ExplainStep("certificate", text + cipher_text(step.termination), (*secrets, *owner))


def _none(step: Handshake, sni: str, *, is_passthrough: bool) -> str:
    if is_passthrough:
        return (
            f"{sni}: TLS of {shown(step.pattern)} is to be passed through and can't be, so the connection is closed, "
            "and never decrypted"
        )
    if step.choice is Choice.NO_CERTIFICATE:
        return f"{sni}: TLS host {shown(step.pattern)} has no usable certificate, so the connection is closed"
    return f"{sni}: no TLS host covers the name and there is no default certificate, so the connection is closed"


def _until(verdict: Verdict | None) -> str:
    if verdict is None or verdict.certificate is None:
        return " (the last good one; the Secret's present content can't be used)"
    return f", valid until {verdict.expires:%Y-%m-%d}" if verdict.expires else ""
