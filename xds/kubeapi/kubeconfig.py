"""Kubeconfig files, checked before they are used: `kubernetes.aio` raises errors of any type for unexpected content."""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import yaml

from xds.kube.source import SourceError

DEFAULT_NAMESPACE: Final = "default"


class CredentialsError(Exception):
    """Configuration or credentials can't be read, or are invalid. The message is one line."""


@dataclass(frozen=True, slots=True)
class Access:
    """The way to the API server.

    Attributes:
        kubeconfig: None for the service account of the Pod.
    """

    kubeconfig: Path | None = None

    def __str__(self) -> str:
        return str(self.kubeconfig) if self.kubeconfig else "in-cluster"

    def namespace(self) -> str:
        """The namespace of the kubeconfig's current context.

        Raises:
            SourceError: the kubeconfig can't be used.
        """
        if self.kubeconfig is None:
            raise RuntimeError("a Pod has no kubeconfig")
        try:
            return Kubeconfig.read(self.kubeconfig).namespace
        except CredentialsError as error:
            raise self.unusable(error) from None

    def unusable(self, error: CredentialsError) -> SourceError:
        """The error of a source, with the remedy."""
        if self.kubeconfig is None:
            return SourceError(f"--in-cluster: {error}; outside a Pod use --kubeconfig")
        command = f"kubectl --kubeconfig {shlex.quote(str(self.kubeconfig))} cluster-info"
        return SourceError(f"{self.kubeconfig}: {error}; correct the file until `{command}` works")


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """The current context of a kubeconfig.

    Attributes:
        document: A kubeconfig with this context, its cluster and its user alone.
        folder: Paths in the document are relative to this folder.
        server: The URL of the API server.
        user: Empty: the context names none.
        namespace: Of the context.
    """

    document: dict[str, Any]
    folder: Path
    server: str
    user: str
    namespace: str

    @classmethod
    def read(cls, path: Path) -> "Kubeconfig":
        """Read and check the file.

        Raises:
            CredentialsError: the file can't be used.
        """
        document = _document(path)
        name = _current_context(document)
        context = _named(document, "contexts", "context", name)
        cluster_name, user_name = context.get("cluster"), context.get("user")
        cluster = _named(document, "clusters", "cluster", cluster_name)
        _check_url(f"the server of its cluster {cluster_name!r}", cluster.get("server"))
        if cluster.get("proxy-url"):
            _check_url(f"the proxy-url of its cluster {cluster_name!r}", cluster["proxy-url"])
        chosen = {
            "current-context": name,
            "contexts": [{"name": name, "context": context}],
            "clusters": [{"name": cluster_name, "cluster": cluster}],
        }
        if user_name:
            chosen["users"] = [{"name": user_name, "user": _named(document, "users", "user", user_name)}]
        namespace = str(context.get("namespace") or DEFAULT_NAMESPACE)
        return cls(chosen, path.expanduser().absolute().parent, cluster["server"], str(user_name or ""), namespace)


def _document(path: Path) -> dict[str, Any]:
    try:
        path = path.expanduser()
        if path.is_dir():
            raise CredentialsError("it is a folder; name a file in it")
        if not path.is_file():  # nor a pipe: the file is read again for new credentials
            raise CredentialsError("there is no such file")
        document = yaml.load(path.read_bytes(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506 -- safe
    except OSError as error:
        raise CredentialsError(f"it can't be read: {error.strerror}") from None
    except (yaml.YAMLError, ValueError, RuntimeError):  # a RuntimeError: too deeply nested, or an unknown ~user
        raise CredentialsError("it is not a kubeconfig, nor YAML") from None
    if not isinstance(document, dict):
        raise CredentialsError("it is not a kubeconfig" if document else "it is empty, and is not a kubeconfig")
    return document


def _current_context(document: dict[str, Any]) -> Any:
    if name := document.get("current-context"):
        return name
    raise CredentialsError(f"it has no current-context; choose one of its contexts ({_names(document, 'contexts')})")


def _named(document: dict[str, Any], kind: str, key: str, name: Any) -> dict[str, Any]:
    """The content of the first entry of a name in one of the three lists of a kubeconfig."""
    found = [each for each in _entries(document, kind) if each.get("name") == name]
    if not found:
        subject = "its current-context" if key == "context" else f"the {key} of its current context,"
        raise CredentialsError(f"{subject} {name!r} is not among its {kind} ({_names(document, kind)})")
    content = found[0].get(key)
    if content is None and key == "user":
        return {}
    if not isinstance(content, dict):
        raise CredentialsError(f"it is not a kubeconfig: the {key} {name!r} is no mapping")
    return content


def _names(document: dict[str, Any], kind: str) -> str:
    return ", ".join(str(each["name"]) for each in _entries(document, kind) if each.get("name")) or "none"


def _entries(document: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    entries = document.get(kind) or []
    if not isinstance(entries, list) or not all(isinstance(each, dict) for each in entries):
        raise CredentialsError(f"it is not a kubeconfig: {kind} is no list of mappings")
    return entries


def _check_url(subject: str, url: Any) -> None:
    try:
        parts = urlsplit(url) if isinstance(url, str) else None
        is_url = parts is not None and parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url:
        raise CredentialsError(f"{subject} is {url!r}, and no URL like https://HOST:PORT")
