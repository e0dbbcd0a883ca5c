"""Reads the Secrets and ConfigMaps that annotations of an Ingress name."""

from dataclasses import dataclass, field
from typing import Final

from xds.kube.objects import ConfigMap, Secret
from xds.kube.state import KubeState
from xds.problems.problem import Key
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.translate.credentials import CredentialStore
from xds.translate.nginx.annotation import AnyAnnotation, InvalidValueError
from xds.translate.nginx.grammars import NearName
from xds.translate.nginx.htpasswd import PasswordFiles
from xds.translate.nginx.reader import AnnotationReader

CLOSED: Final = "the paths of the Ingress answer 503"


@dataclass(frozen=True, slots=True)
class Unavailable:
    """The result of reading annotations that ask for a protection that can't be had: the paths are to be closed.

    Attributes:
        annotation: Asks for the protection. Its problem is reported.
    """

    annotation: AnyAnnotation


class UnusableObjectError(ValueError):
    """No usable object is named. The text says why, and continues the name of the annotation."""


@dataclass(frozen=True, slots=True)
class NamedObjects:
    """The objects within reach of an Ingress.

    Attributes:
        state: The objects that exist.
        namespace: Of the Ingress.
        allow_cross_namespace: Whether objects of other namespaces are within reach.
        credentials: Judges Secrets.
        password_files: Parses Secrets.
        published: The Service of --publish-service, whose endpoints are the proxies.
    """

    state: KubeState
    namespace: str
    allow_cross_namespace: bool = False
    credentials: CredentialStore = field(default_factory=CredentialStore)
    password_files: PasswordFiles = field(default_factory=PasswordFiles)
    published: Key | None = None

    def secret(self, reader: AnnotationReader, annotation: AnyAnnotation) -> Secret:
        """The Secret that an annotation with a value names.

        Raises:
            UnusableObjectError: the name is bad, or there is no such Secret within reach.
        """
        return self.secret_of(self._key(reader, annotation))

    def secret_of(self, key: Key) -> Secret:
        """The Secret of a name.

        Raises:
            UnusableObjectError: there is no such Secret within reach.
        """
        if found := self.state.secret(self._within_reach(key)):
            return found
        raise UnusableObjectError(f"names Secret {key}, which doesn't exist")

    def config_map(self, reader: AnnotationReader, annotation: AnyAnnotation) -> ConfigMap:
        """The ConfigMap that an annotation with a value names. Its content is known, and may be an earlier one.

        Raises:
            UnusableObjectError: the name is bad, or the content of such a ConfigMap isn't known.
        """
        key = self._key(reader, annotation)
        found = self.state.config_map(key)
        if found is None:
            raise UnusableObjectError(f"names ConfigMap {key}, which doesn't exist")
        if found.data is None:
            raise UnusableObjectError(f"names ConfigMap {key}, which can't be used: {found.fault}")
        return found

    def _key(self, reader: AnnotationReader, annotation: AnyAnnotation) -> Key:
        written = reader.text(annotation) or ""
        try:
            named = annotation.grammar.parse(written)
        except InvalidValueError:
            raise UnusableObjectError(f"is {shown(written)}, which is not {annotation.grammar.words}") from None
        key: Key = named.key_in(self.namespace) if isinstance(named, NearName) else named
        return self._within_reach(key)

    def _within_reach(self, key: Key) -> Key:
        if key.namespace != self.namespace and not self.allow_cross_namespace:
            raise UnusableObjectError(
                f"names {key} of another namespace, which takes --allow-cross-namespace-resources"
            )
        return key


def report_unusable(reader: AnnotationReader, annotation: AnyAnnotation, why: str) -> None:
    """Report that an annotation, whose name the text continues, has no usable object."""
    reader.report(annotation.full_name, Reason.NAMED_OBJECT_UNUSABLE, f"{annotation.name} {why}", "")
