"""The scope of a watch: a kind, in one namespace or in all."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from xds.kube.kinds import KINDS
from xds.kube.objects import KubeObject, Secret
from xds.problems.problem import Key

SECRETS_SELECTOR: Final = "type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token"
"""Leaves out the Secrets of types that never hold a certificate: most of the Secrets in many clusters."""

_SELECTORS: Final[dict[type[KubeObject], str]] = {Secret: SECRETS_SELECTOR}

_NAME: Final = "metadata.name="

_USER: Final = re.compile(r'User "([^"]+)" cannot')


@dataclass(frozen=True, slots=True)
class Scope:
    """A kind and a namespace.

    Attributes:
        kind: The kind of the objects.
        namespace: Empty for all namespaces, and for a kind without namespaces.
        selector: A field selector; empty for all objects.
        version: Of the API, in place of the kind's own; empty: the kind's.
    """

    kind: type[KubeObject]
    namespace: str = ""
    selector: str = ""
    version: str = ""

    @property
    def resource(self) -> str:
        """The kind as kubectl and RBAC write it: `ingresses.networking.k8s.io`."""
        group = self.kind.group()
        return f"{self.kind.plural}.{group}" if group else self.kind.plural

    @property
    def path(self) -> str:
        path = self.kind.collection(self.namespace)
        return path.replace(self.kind.api_version, self.version, 1) if self.version else path

    def __str__(self) -> str:
        return f"{self.resource} in namespace {self.namespace}" if self.namespace else self.resource

    def of(self, key: Key) -> "Scope":
        """Return the scope of a single object of the kind."""
        return Scope(self.kind, key.namespace, f"{_NAME}{key.name}")

    @property
    def name(self) -> str:
        """The name of the single object; empty for a scope of several objects."""
        return self.selector.removeprefix(_NAME) if self.selector.startswith(_NAME) else ""

    def grant(self, message: str) -> str:
        """Return the commands that grant the right to watch. `message` is the API server's, and names the user."""
        user = match[1] if (match := _USER.search(message)) else "USER"
        kind, where = ("role", f" -n {self.namespace}") if self.namespace else ("clusterrole", "")
        name, only = f"xds-ingress-{self.kind.plural}", ""
        if self.name:
            name, only = f"{name}-{self.name}", f" --resource-name={self.name}"
        return (
            f"kubectl create {kind} {name}{where} --verb=list,watch --resource={self.resource}{only} && "
            f"kubectl create {kind}binding {name}{where} --{kind}={name} --user={user}"
        )


def scopes(namespaces: Iterable[str], default_tls_secret: Key | None) -> list[Scope]:
    """Return the scope of each watch, but for kinds whose objects are watched one by one.

    Args:
        namespaces: The namespaces to watch; none: all.
        default_tls_secret: Is watched alone if it is outside the namespaces.
    """
    wanted = sorted(set(namespaces)) or [""]
    kinds = [kind for kind in KINDS if not (kind.watched_alone or kind.optional)]
    found = [Scope(kind) for kind in kinds if not kind.namespaced]
    for namespace in wanted:
        found += (Scope(kind, namespace, _SELECTORS.get(kind, "")) for kind in kinds if kind.namespaced)
    if default_tls_secret and wanted != [""] and default_tls_secret.namespace not in wanted:
        found.append(Scope(Secret).of(default_tls_secret))
    return found
