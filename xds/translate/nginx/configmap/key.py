"""A key of ingress-nginx's ConfigMap: grammar, default, and effect here."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Generic

from xds.translate.nginx.annotation import AnyAnnotation, Grammar, Value, Verdict
from xds.translate.nginx.grammars import ANYTHING
from xds.translate.nginx.registry import ANNOTATIONS


class Section(StrEnum):
    """Keys that are documented together."""

    TRAFFIC = "Traffic and timeouts"
    HEADERS = "Client addresses and headers"
    ACCESS = "Access and safety"
    TLS = "TLS"
    OBSERVATION = "Compression, logs and traces"
    NGINX = "What only nginx has"


@dataclass(frozen=True, slots=True)
class ConfigKey(Generic[Value]):
    """A key of the ConfigMap.

    Attributes:
        name: In the ConfigMap.
        section: Of the documentation.
        grammar: The valid values.
        default: The value of ingress-nginx without the key; empty: none.
        verdict: How close the key comes to ingress-nginx.
        note: As in Annotation.
        remedy: An alternative for a REFUSED key.
        protects: Whether a value asks for protection. Such a value is honoured or closes all paths.
        annotation: The annotation whose value for all Ingresses is the key's; None for other keys.
    """

    name: str
    section: Section
    grammar: Grammar[Value]
    default: str = ""
    verdict: Verdict = Verdict.EXACT
    note: str = ""
    remedy: str = ""
    protects: Callable[[str], bool] | None = None
    annotation: AnyAnnotation | None = None

    @property
    def is_without_effect(self) -> bool:
        """Whether a value other than the default is a problem: nobody honours the key."""
        return self.verdict in (Verdict.REFUSED, Verdict.NOT_YET)


AnyKey = ConfigKey[Any]


def of_annotations(section: Section, **defaults: str) -> tuple[AnyKey, ...]:
    """Keys that are values of the annotations of the same names for all Ingresses, with ingress-nginx's defaults."""
    return tuple(_of_annotation(section, name.replace("_", "-"), default) for name, default in defaults.items())


def without_effect(section: Section, note: str, **defaults: str) -> tuple[AnyKey, ...]:
    """Keys with nothing to do on Envoy. The note says why nothing is lost."""
    return _alike(section, Verdict.NO_EFFECT, note, "", defaults)


def refused(section: Section, note: str, remedy: str, **defaults: str) -> tuple[AnyKey, ...]:
    """Keys that nobody honours."""
    return _alike(section, Verdict.REFUSED, note, remedy, defaults)


def not_yet(section: Section, note: str = "", **defaults: str) -> tuple[AnyKey, ...]:
    """Keys that are not built yet."""
    return _alike(section, Verdict.NOT_YET, note, "", defaults)


def _of_annotation(section: Section, name: str, default: str) -> AnyKey:
    of = ANNOTATIONS[name]
    return ConfigKey(name, section, of.grammar, default, of.verdict, of.note, of.remedy, of.protects, of)


def _alike(section: Section, verdict: Verdict, note: str, remedy: str, defaults: dict[str, str]) -> tuple[AnyKey, ...]:
    return tuple(
        ConfigKey(name.replace("_", "-"), section, ANYTHING, default, verdict, note, remedy)
        for name, default in defaults.items()
    )
