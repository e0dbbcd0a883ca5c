"""Basic authentication: auth-type, auth-secret, auth-secret-type, auth-realm.

Sources: https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/internal/ingress/annotations/auth
https://kubernetes.github.io/ingress-nginx/examples/auth/basic/
"""

from typing import Final

from xds.kube.objects import Secret, SecretData
from xds.problems.problem import Key
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.access import Access, Passwords
from xds.translate.nginx.annotation import Annotation, AnyAnnotation, InvalidValueError, Verdict
from xds.translate.nginx.grammars import NEAR_NAME, always, matching, one_of
from xds.translate.nginx.htpasswd import MAX_FILE_BYTES, MAX_USERS, PasswordFile, TooManyUsersError
from xds.translate.nginx.https_redirects import CHALLENGES
from xds.translate.nginx.named_objects import CLOSED, NamedObjects, Unavailable, UnusableObjectError, report_unusable
from xds.translate.nginx.reader import AnnotationReader

_FAMILY: Final = "authentication"
_BASIC: Final = "basic"
_FILE: Final = "auth-file"
_MAP: Final = "auth-map"
_FILE_KEY: Final = "auth"


def _is_written(value: str) -> bool:
    return bool(value.strip())


TYPE: Final = Annotation(
    "auth-type",
    _FAMILY,
    one_of(_BASIC),
    verdict=Verdict.APPROXIMATE,
    note="digest, and any other value than basic, answers 503; without `xds authz` the realm is the URL of the request",
    protects=always,
)
SECRET: Final = Annotation(
    "auth-secret",
    _FAMILY,
    NEAR_NAME,
    verdict=Verdict.APPROXIMATE,
    note="hashes other than {SHA} take `xds authz` (--authz), and the paths answer 503 without; users with hashes of "
    "DES never match; without auth-type the paths answer 503, where ingress-nginx lets everybody in; a Secret of "
    "another namespace takes --allow-cross-namespace-resources",
    protects=always,
    names=Secret,
)
SECRET_TYPE: Final = Annotation(
    "auth-secret-type",
    _FAMILY,
    one_of(_FILE, _MAP),
    _FILE,
    verdict=Verdict.APPROXIMATE,
    note="with another value, and without auth-type, the paths answer 503; of a value of auth-map the first line "
    "counts",
    protects=_is_written,
)
REALM: Final = Annotation(
    "auth-realm",
    _FAMILY,
    matching("a text of letters, digits, blanks and / . _ ~ : -", r"[/A-Za-z0-9._~: -]*"),
    "an empty realm",
    verdict=Verdict.APPROXIMATE,
    note="off is a realm like others, where ingress-nginx lets everybody in; with other characters, and without "
    "auth-type, the paths answer 503; without `xds authz` the realm is the URL of the request",
    protects=_is_written,
)
ANNOTATIONS: Final[tuple[AnyAnnotation, ...]] = (TYPE, SECRET, SECRET_TYPE, REALM)

_TYPE_REMEDY: Final = (
    f"Write {TYPE.name}: basic, or authenticate by auth-url. To open the paths, remove "
    f"{', '.join(each.name for each in ANNOTATIONS)}."
)
_AUTHZ_REMEDY: Final = (
    "Write {SHA} hashes (`htpasswd -s`), or have the operator run `xds authz` beside each proxy (--authz)."
)


def read(
    reader: AnnotationReader, objects: NamedObjects, ingress: Key, *, has_authz: bool
) -> Passwords | Unavailable | None:
    """The passwords that are asked for; None without."""
    asking = [each for each in ANNOTATIONS if (text := reader.text(each)) is not None and _asks(each, text)]
    if not asking:
        return None
    if reader.text(TYPE) is None:
        message = f"{asking[0].name} has no {TYPE.name} beside, and somebody meant to protect; {CLOSED}"
        reader.report(asking[0].full_name, Reason.PROTECTION_UNAVAILABLE, message, _TYPE_REMEDY)
        return Unavailable(asking[0])
    for each in (TYPE, SECRET_TYPE, REALM):
        if not _is_valid(reader, each):
            return Unavailable(each)
    return _passwords(reader, objects, ingress, has_authz=has_authz)


def unauthenticated_paths(reader: AnnotationReader) -> tuple[str, ...]:
    """Beginnings of the paths of Ingresses, as written, that have neither passwords nor an authorizer.

    Source: https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/configmap/#no-auth-locations
    """
    written = reader.setting("no-auth-locations")
    return tuple(filter(None, (each.strip() for each in written.split(",")))) if written else CHALLENGES


def on_path(access: Access | None, path: str, unauthenticated: tuple[str, ...]) -> Access | None:
    """The conditions of access to a path as written. Address lists stay, and all of them must hold."""
    if access is None or not (access.passwords or access.authorizer) or not path.startswith(unauthenticated):
        return access
    lists = Access(access.denied, access.allowed)
    return None if lists == Access() else lists


def _asks(annotation: AnyAnnotation, text: str) -> bool:
    return annotation.protects is not None and annotation.protects(text)


def _is_valid(reader: AnnotationReader, annotation: AnyAnnotation) -> bool:
    """Whether an annotation is absent, or has a valid value. The type must have one."""
    written = reader.text(annotation) or ""
    if not written.strip() and annotation is not TYPE:
        return True
    try:
        annotation.grammar.parse(written)
    except InvalidValueError:
        words, remedy = annotation.grammar.words, f"Write {annotation.grammar.words}."
        message = f"{annotation.name} is {shown(written)}, which is not {words}; {CLOSED}"
        remedy = _TYPE_REMEDY if annotation is TYPE else remedy
        reader.report(annotation.full_name, Reason.PROTECTION_UNAVAILABLE, message, remedy)
        return False
    return True


def _passwords(
    reader: AnnotationReader, objects: NamedObjects, ingress: Key, *, has_authz: bool
) -> Passwords | Unavailable:
    try:
        secret = _secret(reader, objects)
        found = _file(reader, objects, secret)
    except UnusableObjectError as error:
        report_unusable(reader, SECRET, f"{error}; {CLOSED}")
        return Unavailable(SECRET)
    if found.left_out:
        count = ", ".join(f"{number} {why}" for why, number in found.left_out)
        message = f"{SECRET.name} names Secret {secret.key} with users that never match: {count}"
        reader.report(SECRET.full_name, Reason.PASSWORDS_UNUSABLE, message, Reason.PASSWORDS_UNUSABLE.remedy)
    if found.takes_authz and not has_authz:
        message = (
            f"{SECRET.name} names Secret {secret.key} with hashes other than {{SHA}}, which take `xds authz`; {CLOSED}"
        )
        reader.report(SECRET.full_name, Reason.PROTECTION_UNAVAILABLE, message, _AUTHZ_REMEDY)
        return Unavailable(SECRET)
    return Passwords(reader.get(REALM) or "", found.users, ingress, has_authz)


def _secret(reader: AnnotationReader, objects: NamedObjects) -> Secret:
    """The Secret that is named.

    Raises:
        UnusableObjectError: none is, or there is no such Secret within reach.
    """
    if not reader.text(SECRET):
        raise UnusableObjectError("is missing or empty, and names no Secret")
    return objects.secret(reader, SECRET)


def _file(reader: AnnotationReader, objects: NamedObjects, secret: Secret) -> PasswordFile:
    """The users in a Secret.

    Raises:
        UnusableObjectError: there is no file, or a too large one.
    """
    data = secret.data or SecretData()
    try:
        if reader.get(SECRET_TYPE) == _MAP:
            values = data.all
            _bound(secret, sum(map(len, values.values())))
            return objects.password_files.of_map(secret, values)
        content = data.others.get(_FILE_KEY)
        if content is None:
            raise UnusableObjectError(f"names Secret {secret.key}, which has no key {_FILE_KEY}")
        _bound(secret, len(content))
        return objects.password_files.of_file(secret, content)
    except TooManyUsersError:
        raise UnusableObjectError(f"names Secret {secret.key}, which has more than {MAX_USERS} users") from None


def _bound(secret: Secret, size: int) -> None:
    if size > MAX_FILE_BYTES:
        raise UnusableObjectError(f"names Secret {secret.key}, which has more than {MAX_FILE_BYTES // 1024} KiB")
