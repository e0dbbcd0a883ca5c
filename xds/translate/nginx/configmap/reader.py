"""Reads the keys of ingress-nginx's ConfigMap: values with a valid form, defaults for absent ones, and problems."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from xds.kube.objects import ConfigMap
from xds.problems.problem import Key
from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.translate.nearest import nearest
from xds.translate.nginx.annotation import InvalidValueError, Value
from xds.translate.nginx.configmap.key import AnyKey, ConfigKey

Report: TypeAlias = Callable[[str, Reason, str, str], None]
"""Takes a key of the ConfigMap, the reason, the message and the remedy of a problem."""

_MAX_SUGGESTIONS: Final = 20
"""Unknown keys for which the nearest known one is searched."""


class ConfigReader:
    """The values of a ConfigMap.

    Args:
        data: Of the ConfigMap.
        keys: The known keys, by name.
        report: Takes the problems.
        config_map: Returns a ConfigMap that a key names; None for one that doesn't exist.
        uses_defaults: Whether ingress-nginx's default stands for an absent key.
    """

    def __init__(
        self,
        data: Mapping[str, str],
        keys: Mapping[str, AnyKey],
        report: Report,
        config_map: Callable[[Key], ConfigMap | None],
        *,
        uses_defaults: bool,
    ) -> None:
        self.config_map = config_map
        self._data = data
        self._keys = keys
        self._report = report
        self._uses_defaults = uses_defaults
        self._values = dict(self._read())

    def get(self, key: ConfigKey[Value]) -> Value | None:
        """The value of a key; None for an absent one without a default."""
        if key.name in self._values:
            value: Value = self._values[key.name]
            return value
        return key.grammar.parse(key.default) if self._uses_defaults and key.default else None

    def value(self, key: ConfigKey[Value]) -> Value:
        """The value of a key, or ingress-nginx's default whether or not defaults are in use."""
        found = self.get(key)
        return key.grammar.parse(key.default) if found is None else found

    def is_written(self, key: AnyKey) -> bool:
        """Whether the ConfigMap has a valid value for the key."""
        return key.name in self._values

    def text(self, key: AnyKey) -> str:
        """The value of a key as written, or its default; empty without one."""
        if key.name in self._values:
            return self._data[key.name]
        return key.default if self._uses_defaults else ""

    @property
    def closing(self) -> tuple[str, ...]:
        """The keys that ask for a protection which can't be had."""
        known = [key for name in sorted(self._data) if (key := self._keys.get(name))]
        bad = [key for key in known if key.is_without_effect or key.name not in self._values]
        return tuple(key.name for key in bad if self._protects(key, self._data[key.name]))

    @staticmethod
    def _protects(key: AnyKey, text: str) -> bool:
        return text != "" and key.protects is not None and key.protects(text)

    def report(self, key: AnyKey, reason: Reason, message: str, remedy: str = "") -> None:
        """Report a problem of a key. Without a remedy, the reason's usual one is shown."""
        self._report(key.name, reason, message, remedy or reason.remedy)

    def _read(self) -> Iterator[tuple[str, Any]]:
        """The valid values of known keys. Reports all others, and values that nobody honours."""
        unknown = 0
        for name in sorted(self._data):
            key = self._keys.get(name)
            if key is None:
                self._report_unknown(name, nearest(name, tuple(self._keys)) if unknown < _MAX_SUGGESTIONS else "")
                unknown += 1
                continue
            text = self._data[name]
            try:
                yield name, key.grammar.parse(text)
            except InvalidValueError as error:
                if text:
                    self._report_invalid(key, text, str(error))
                continue
            if key.is_without_effect and text not in ("", key.default):
                self._report_without_effect(key, text)

    def _report_unknown(self, name: str, near: str) -> None:
        self._report(
            name,
            Reason.CONFIG_KEY_UNKNOWN,
            f"key {shown(name)} has no effect: ingress-nginx has none of this name",
            f"Did you mean {near}? Correct the key." if near else Reason.CONFIG_KEY_UNKNOWN.remedy,
        )

    def _report_invalid(self, key: AnyKey, text: str, why: str) -> None:
        why = f" ({why})" if why else ""
        written = f"{key.name} is {shown(text)}, which is not {key.grammar.words}{why}"
        remedy = f"Write {key.grammar.words}, or remove the key."
        if self._protects(key, text):
            message = f"{written}; the key protects, so all paths answer 503 but those whose Ingress replaces the key"
            self.report(key, Reason.PROTECTION_UNAVAILABLE, message, remedy)
            return
        default = (key.default if self._uses_defaults else "") or "as without the key"
        self.report(key, Reason.CONFIG_KEY_INVALID, f"{written}; its default counts: {default}", remedy)

    def _report_without_effect(self, key: AnyKey, text: str) -> None:
        why = key.note or "it is not supported yet"
        if self._protects(key, text):
            message = f"key {key.name} protects, and has no counterpart here ({why}), so all paths answer 503"
            self.report(key, Reason.PROTECTION_UNAVAILABLE, message, key.remedy)
            return
        self.report(key, Reason.CONFIG_KEY_UNSUPPORTED, f"key {key.name} has no effect here: {why}", key.remedy)
