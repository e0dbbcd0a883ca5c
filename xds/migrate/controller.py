"""ingress-nginx's controller: its flags, read from its Deployment or DaemonSet, or as given."""

import shlex
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from xds.migrate.values import is_true
from xds.problems.problem import Key

CONTROLLER_NAME: Final = "k8s.io/ingress-nginx"
"""spec.controller of ingress-nginx's IngressClasses, unless --controller-class has another."""

DEFAULT_CLASS: Final = "nginx"

BINARY: Final = "nginx-ingress-controller"

USUAL_CONFIG_MAPS: Final = ("ingress-nginx-controller", "nginx-configuration")
"""Names of the ConfigMap in the charts and manifests of ingress-nginx."""


@dataclass(frozen=True, slots=True)
class Controller:
    """The controller.

    Attributes:
        flags: The flags by name, without hyphens; a switch has the value `true`.
        place: Where the flags come from, in words.
    """

    flags: Mapping[str, str]
    place: str

    def is_on(self, flag: str, *, default: bool = False) -> bool:
        value = self.flags.get(flag)
        return default if value is None else is_true(value)

    @property
    def controller_name(self) -> str:
        return self.flags.get("controller-class") or CONTROLLER_NAME

    @property
    def class_name(self) -> str:
        return self.flags.get("ingress-class") or DEFAULT_CLASS

    @property
    def config_map(self) -> Key | None:
        return self.key_of("configmap")

    def key_of(self, flag: str) -> Key | None:
        """The object that a flag names as NAMESPACE/NAME; None if the flag names none."""
        namespace, slash, name = self.flags.get(flag, "").partition("/")
        return Key(namespace, name) if slash and namespace and name else None


NO_CONTROLLER: Final = Controller({}, "")


def parse_arguments(text: str) -> dict[str, str]:
    """The flags of a command line.

    Raises:
        ValueError: a quote is not closed.
    """
    return _flags(shlex.split(text))


def controllers(documents: Iterable[object]) -> Iterator[Controller]:
    """The controllers among documents, which may be of any kind."""
    for document in documents:
        if not isinstance(document, dict) or document.get("kind") not in ("Deployment", "DaemonSet"):
            continue
        metadata = _mapping(document.get("metadata"))
        namespace, name = str(metadata.get("namespace") or "default"), str(metadata.get("name") or "")
        pod = _mapping(_mapping(_mapping(document.get("spec")).get("template")).get("spec"))
        containers = pod.get("containers")
        for container in containers if isinstance(containers, list) else ():
            if (arguments := _arguments(_mapping(container))) is not None:
                flags = _flags(each.replace("$(POD_NAMESPACE)", namespace) for each in arguments)
                yield Controller(flags, f"{document['kind']} {namespace}/{name}")


def _arguments(container: Mapping[Any, Any]) -> list[str] | None:
    """The arguments of a container of ingress-nginx; None for another container."""
    parts = (container.get("command"), container.get("args"))
    written = [str(each) for part in parts if isinstance(part, list) for each in part]
    image = str(container.get("image") or "")
    is_ours = any(each.rpartition("/")[2] == BINARY for each in written) or (
        "ingress-nginx/controller" in image or BINARY in image
    )
    return written if is_ours else None


def _flags(arguments: Iterable[str]) -> dict[str, str]:
    """The flags. A value may follow its flag as an argument of its own."""
    found: dict[str, str] = {}
    waiting = ""
    for each in arguments:
        if each.startswith("-") and each.strip("-"):
            name, equals, value = each.lstrip("-").partition("=")
            found[name] = value if equals else "true"
            waiting = "" if equals else name
        elif waiting:
            found[waiting], waiting = each, ""
    return found


def _mapping(value: object) -> Mapping[Any, Any]:
    return value if isinstance(value, dict) else {}
