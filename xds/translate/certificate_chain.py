"""The order of a certificate chain: the leaf first, each certificate signed by the next one.

Source: https://www.rfc-editor.org/rfc/rfc8446#section-4.4.2
"""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Final

from cryptography.x509 import BasicConstraints, Certificate, ExtensionNotFound, Name

from xds.problems.text import shown

_TRUSTED: Final = b"-----BEGIN TRUSTED CERTIFICATE-----"
"""The head of a block in a form of OpenSSL's own, which readers of PEM pass over."""


def has_trusted_block(pem: bytes) -> bool:
    return _TRUSTED in pem


def first_is_not_the_leaf(chain: Sequence[Certificate], is_leaf: Callable[[Certificate], bool]) -> str:
    """Why the private key doesn't belong to the first certificate; empty if the key belongs to no other one either."""
    place = next((number for number, each in enumerate(chain, 1) if is_leaf(each)), None)
    if place is None:
        return ""
    kind = "an authority's" if _is_authority(chain[0]) else "not the server's"
    return (
        f"the first certificate in its tls.crt is {kind}, {_named(chain[0].subject)}; "
        f"the one that its tls.key belongs to, {_named(chain[place - 1].subject)}, must be first and is number {place}"
    )


def order_fault(chain: Sequence[Certificate]) -> str:
    """The first certificate that did not sign the one before; empty for a chain in order."""
    for number, (each, signer) in enumerate(pairwise(chain), 1):
        if each.issuer != signer.subject:
            return (
                f"certificate {number} in its tls.crt is signed by {_named(each.issuer)}, "
                f"and certificate {number + 1} is {_named(signer.subject)}"
            )
    return ""


def _is_authority(certificate: Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(BasicConstraints).value.ca
    except (ExtensionNotFound, ValueError):
        return False


def _named(name: Name) -> str:
    return shown(name.rfc4514_string() or "without name")
