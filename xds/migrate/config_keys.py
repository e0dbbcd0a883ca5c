"""The verdicts on the keys of ingress-nginx's ConfigMap."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from xds.migrate.verdict import Verdict
from xds.problems.field_path import MapKey
from xds.problems.problem import Problem
from xds.problems.reasons import Reason
from xds.translate.nginx.annotation import Verdict as RegistryVerdict
from xds.translate.nginx.configmap.key import AnyKey
from xds.translate.nginx.configmap.registry import KEYS

CROSS_NAMESPACE = "allow-cross-namespace-resources"
"""The key that a flag of `xds serve` stands for."""


@dataclass(frozen=True, slots=True)
class KeyVerdict:
    """The verdict on a key. The attributes are those of AnnotationVerdict."""

    name: str
    verdict: Verdict
    text: str = ""
    remedy: str = ""


def key_verdicts(data: Mapping[str, str], problems: Iterable[Problem]) -> Iterator[KeyVerdict]:
    """The verdict on each key that the ConfigMap has, by name.

    Args:
        data: Of the ConfigMap.
        problems: Of the ConfigMap, by the translation.
    """
    of_key = problems_by_key(problems)
    for name in sorted(data):
        yield _verdict(name, data[name], KEYS.get(name), of_key.get(name, []))


def problems_by_key(problems: Iterable[Problem]) -> Mapping[str, list[Problem]]:
    """The problems of a ConfigMap's keys. Problems of the whole ConfigMap are left out."""
    found: dict[str, list[Problem]] = {}
    for each in problems:
        match each.field.parts:
            case ("data", MapKey(name), *_):
                found.setdefault(name, []).append(each)
    return found


def _verdict(name: str, value: str, key: AnyKey | None, problems: list[Problem]) -> KeyVerdict:
    if name == CROSS_NAMESPACE:
        return KeyVerdict(name, Verdict.EXACT, "a flag of xds serve: --allow-cross-namespace-resources")
    if problems:
        text = "; ".join(dict.fromkeys(each.message for each in problems))
        remedy = " ".join(dict.fromkeys(each.remedy for each in problems if each.remedy))
        return KeyVerdict(name, _of(problems), text, remedy)
    if key is None:
        return KeyVerdict(name, Verdict.EXACT, "ingress-nginx has no key of this name")
    if key.verdict is RegistryVerdict.APPROXIMATE and value not in ("", key.default):
        return KeyVerdict(name, Verdict.APPROXIMATE, key.note)
    if key.verdict is RegistryVerdict.NO_EFFECT:
        return KeyVerdict(name, Verdict.EXACT, f"nothing to do: {key.note}")
    return KeyVerdict(name, Verdict.EXACT)


def _of(problems: list[Problem]) -> Verdict:
    reasons = {each.reason for each in problems}
    if reasons & {Reason.CONFIG_KEY_UNSUPPORTED, Reason.PROTECTION_UNAVAILABLE}:
        return Verdict.REFUSED
    return Verdict.EXACT if reasons <= {Reason.CONFIG_KEY_UNKNOWN, Reason.EVERY_CLIENT_TRUSTED} else Verdict.APPROXIMATE
