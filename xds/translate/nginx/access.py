"""Access to the paths of an Ingress: address lists, passwords, an authorizer, and how they go together.

Source: https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/docs/user-guide/nginx-configuration/annotations.md
"""

from collections.abc import Iterator
from typing import Final

from xds.kube.objects import Ingress
from xds.problems.problem import Key
from xds.problems.reasons import Reason
from xds.traffic.access import EVERYBODY, Access, Passwords
from xds.traffic.authorizer import Authorizer
from xds.translate.nginx import address_lists, external_auth, passwords, satisfy
from xds.translate.nginx.annotation import AnyAnnotation
from xds.translate.nginx.host_names import HostNames
from xds.translate.nginx.named_objects import CLOSED, NamedObjects, Unavailable
from xds.translate.nginx.reader import AnnotationReader

MAX_BYTES: Final = 64 * 1024 * 1024
"""The most of all routes of an Ingress. Each route has users and lists of its own, and all proxies have all routes."""

_NETWORK_BYTES: Final = 24
"""Of a network in a list, encoded."""


def read(
    reader: AnnotationReader, objects: NamedObjects, ingress: Key, copies: int, *, has_authz: bool
) -> Access | Unavailable | None:
    """The conditions of access; None where every request is let in.

    Args:
        reader: The annotations.
        objects: Those within reach.
        ingress: The Ingress.
        copies: As from `copies`.
        has_authz: Whether `xds authz` runs beside each proxy.
    """
    asked = passwords.read(reader, objects, ingress, has_authz=has_authz)
    authorizer = external_auth.read(reader, objects)
    found = _joined(reader, asked, authorizer)
    if isinstance(found, Access):
        size, largest = max(_sizes(found), key=lambda each: each[0])
        if size * copies > MAX_BYTES:
            return _too_large(reader, largest, size, copies)
    return found


def copies(ingress: Ingress, names: HostNames) -> int:
    """The number of routes that hold the conditions, about: one for each path, of each alias too."""
    return sum(len(rule.paths) for rule in ingress.spec.rules or ()) * (1 + len(names.aliases))


def by_default(reader: AnnotationReader) -> Access | Unavailable | None:
    """The conditions of access to Ingresses without annotations. Defaults name neither passwords nor objects."""
    return _joined(reader, None, external_auth.by_default(reader))


def _joined(
    reader: AnnotationReader,
    asked: Passwords | Unavailable | None,
    authorizer: Authorizer | Unavailable | None,
) -> Access | Unavailable | None:
    lists = address_lists.read(reader)
    if isinstance(lists, Unavailable) or isinstance(asked, Unavailable) or isinstance(authorizer, Unavailable):
        return next(each for each in (lists, asked, authorizer) if isinstance(each, Unavailable))
    denied, allowed = lists
    found = Access(denied, allowed, asked, authorizer)
    return None if found == EVERYBODY else satisfy.joined(reader, found)


def _sizes(access: Access) -> Iterator[tuple[int, AnyAnnotation]]:
    """The bytes that each condition takes on a path, about, with the annotation that asks for the condition."""
    asked, authorizer = access.passwords, access.authorizer
    yield len(access.denied or ()) * _NETWORK_BYTES, address_lists.DENY
    yield len(access.allowed or ()) * _NETWORK_BYTES, address_lists.ALLOW
    yield sum(len(name) + len(hashed) + 2 for name, hashed in asked.users) if asked else 0, passwords.SECRET
    headers = authorizer.headers if authorizer else ()
    yield sum(len(name) + len(value) for name, value in headers), external_auth.SET_HEADERS


def _too_large(reader: AnnotationReader, annotation: AnyAnnotation, size: int, routes: int) -> Unavailable:
    reader.report(
        annotation.full_name,
        Reason.PROTECTION_UNAVAILABLE,
        f"{annotation.name} asks for {size // 1024} KiB on each of {routes} paths, those of aliases included, and "
        f"{MAX_BYTES // 2**20} MiB is the most for all; {CLOSED}",
        "Join paths, remove aliases, shorten the list or the file, or authenticate by auth-url.",
    )
    return Unavailable(annotation)
