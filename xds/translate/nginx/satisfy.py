"""Whether one condition of access suffices: satisfy.

Source: https://nginx.org/en/docs/http/ngx_http_core_module.html#satisfy
"""

from dataclasses import replace
from typing import Final

from xds.problems.reasons import Reason
from xds.traffic.access import Access
from xds.translate.nginx.annotation import Annotation, AnyAnnotation, Grammar, InvalidValueError, Verdict
from xds.translate.nginx.reader import AnnotationReader

_ANY: Final = "any"


def _any_or_all(value: str) -> str:
    if (word := value.strip().lower()) not in (_ANY, "all"):
        raise InvalidValueError
    return word


SATISFY: Final = Annotation(
    "satisfy",
    "authentication",
    Grammar("any or all", _any_or_all),
    "all",
    verdict=Verdict.APPROXIMATE,
    note="of passwords and an authorizer that are asked for together, or of passwords without `xds authz`, all "
    "conditions must hold",
)
ANNOTATIONS: Final[tuple[AnyAnnotation, ...]] = (SATISFY,)

_REMEDY_BOTH: Final = "Ask for passwords or for auth-url, and not for both: an authorizer can check passwords too."
_REMEDY_AUTHZ: Final = "Run `xds authz` beside each proxy, with --authz, or remove satisfy."


def joined(reader: AnnotationReader, access: Access) -> Access:
    """The conditions as they go together. Where Envoy can't ask for any of them, all must hold."""
    if reader.get(SATISFY) != _ANY:
        return access
    passwords, authorizer = access.passwords, access.authorizer
    if passwords and authorizer:
        return _all_must_hold(reader, access, "passwords and an authorizer are asked for together", _REMEDY_BOTH)
    if passwords and not passwords.by_authz and access.allowed is not None:
        return _all_must_hold(reader, access, "Envoy itself checks the passwords", _REMEDY_AUTHZ)
    if not passwords and not authorizer:
        return access
    return replace(access, any_suffices=True)


def _all_must_hold(reader: AnnotationReader, access: Access, why: str, remedy: str) -> Access:
    message = f"satisfy any has no effect: {why}, so all conditions of access must hold"
    reader.report(SATISFY.full_name, Reason.ANNOTATION_UNSUPPORTED, message, remedy)
    return access
