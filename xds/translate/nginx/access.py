"""Access to the paths of an Ingress: address lists, passwords, an authorizer, and how they go together.

Source: https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/docs/user-guide/nginx-configuration/annotations.md
"""

from xds.problems.problem import Key
from xds.traffic.access import EVERYBODY, Access, Passwords
from xds.traffic.authorizer import Authorizer
from xds.translate.nginx import address_lists, external_auth, passwords, satisfy
from xds.translate.nginx.named_objects import NamedObjects, Unavailable
from xds.translate.nginx.reader import AnnotationReader


def read(
    reader: AnnotationReader, objects: NamedObjects, ingress: Key, *, has_authz: bool
) -> Access | Unavailable | None:
    """The conditions of access; None where every request is let in."""
    asked = passwords.read(reader, objects, ingress, has_authz=has_authz)
    authorizer = external_auth.read(reader, objects)
    return _joined(reader, asked, authorizer)


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
