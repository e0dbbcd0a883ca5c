"""ingress-nginx's ConfigMap, as last read."""

from collections.abc import Callable, Iterator
from typing import Final

from xds.kube.objects import ConfigMap
from xds.kube.state import KubeState
from xds.problems.field_path import WHOLE_OBJECT, FieldPath, MapKey
from xds.problems.problem import Key, ObjectRef, Problem
from xds.problems.reasons import Reason
from xds.translate.nginx.configmap.config import NginxConfig, asks_protection, read_config
from xds.translate.nginx.options import AnnotationOptions

_UNREADABLE: Final = "--nginx-configmap"
"""Closes all paths, in place of a key, while the ConfigMap was never read, and once one that protects is deleted."""


class NginxConfigTracker:
    """Reads the ConfigMap, and remembers its last content that could be read.

    Args:
        name: The ConfigMap; None without one.
        is_compatible: Whether ingress-nginx's defaults stand for absent keys.
        ignored: Names of annotations, and keys of the ConfigMap, that count as absent.
        max_regex_size: The size of a compiled expression above which proxies reject the expression.
        has_tracer: Whether proxies send traces to a collector.
        has_authz: Whether `xds authz` runs beside each proxy.
        passes_tls: Whether Ingresses may ask for TLS passthrough.
    """

    def __init__(
        self,
        name: Key | None,
        *,
        is_compatible: bool,
        ignored: frozenset[str],
        max_regex_size: int,
        has_tracer: bool = False,
        has_authz: bool = False,
        passes_tls: bool = False,
    ) -> None:
        self._name = name
        self._is_compatible = is_compatible
        self._ignored = ignored
        self._max_regex_size = max_regex_size
        self._has_tracer = has_tracer
        self._has_authz = has_authz
        self._passes_tls = passes_tls
        self._data: dict[str, str] = {}
        self._is_unread = self._was_read = self._is_gone = False
        self.problems: tuple[Problem, ...] = ()
        self.current: NginxConfig = self._read(_unread, [])

    @property
    def annotations(self) -> AnnotationOptions:
        """The choices for all annotations."""
        return AnnotationOptions.of(
            self._ignored,
            self.current.defaults,
            (*self.current.closing, *((_UNREADABLE,) if self._is_unread or self._is_gone else ())),
            has_tracer=self._has_tracer,
            max_regex_size=self._max_regex_size,
            has_authz=self._has_authz,
            passes_tls=self._passes_tls,
            blocked=self.current.listeners.blocked.networks if self._passes_tls else (),
        )

    def read(self, state: KubeState) -> None:
        """Read the ConfigMap anew: `current` and `problems` follow. Content that can't be read keeps the last one."""
        if self._name is None:
            return
        found = state.config_map(self._name)
        if found is None:
            self._is_gone = self._is_gone or asks_protection(self._data.keys() - self._ignored, self._data)
            self._data, self._was_read = {}, False
        elif found.data is not None:
            self._data, self._was_read, self._is_gone = found.data, True, False
        # Nobody knows whether a ConfigMap that was never read asks for a protection.
        self._is_unread = found is not None and not self._was_read
        problems = list(self._missing(found))
        self.current = self._read(state.config_map, problems)
        self.problems = tuple(problems)

    def _read(self, config_map: Callable[[Key], ConfigMap | None], problems: list[Problem]) -> NginxConfig:
        def report(key: str, reason: Reason, message: str, remedy: str) -> None:
            about = ObjectRef(ConfigMap.kind, *(self._name or Key("", "")))
            problems.append(Problem(about, reason, message, remedy, FieldPath.of("data", MapKey(key))))

        return read_config(
            self._data,
            config_map,
            report,
            is_compatible=self._is_compatible,
            ignored=self._ignored,
            max_regex_size=self._max_regex_size,
        )

    def _missing(self, found: ConfigMap | None) -> Iterator[Problem]:
        if self._name is None or (found is not None and not found.fault):
            return
        reason = Reason.CONFIG_MAP_NOT_FOUND
        if found is None:
            closed = ", and all paths answer 503, as one of them protected" if self._is_gone else ""
            why = f"the ConfigMap of --nginx-configmap doesn't exist, so that none of its keys counts{closed}"
        else:
            kept = "all paths answer 503" if self._is_unread else "its last content counts"
            why = f"the ConfigMap of --nginx-configmap can't be read ({found.fault}), so that {kept}"
        yield Problem(ObjectRef(ConfigMap.kind, *self._name), reason, why, reason.remedy, WHOLE_OBJECT)


def _unread(key: Key) -> ConfigMap | None:
    """No ConfigMap is read before `read`."""
    del key
    return None
