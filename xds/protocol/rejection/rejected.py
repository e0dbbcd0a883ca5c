"""A rejected resource at one proxy, and the parts of a NACK that are to blame."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from xds.snapshot.resource import Resource


@dataclass(slots=True)
class RejectedResource:
    """A resource that the proxy doesn't have as the source wants.

    Attributes:
        version: The rejected version; None: other proxies rejected the wanted version, so the proxy never got it. The
            proxy may have rejected an older one.
        versions: All versions that the proxy rejected since the last change in the source, but for failures to bind:
            the wanted version, and maybe the last good one, or a RouteConfiguration with other virtual hosts inside.
        base: The version that the proxy has instead; None: the proxy doesn't have the resource.
        differs_from_served: Whether `base` is not what the fleet serves now.
    """

    version: str | None
    base: Resource | None
    differs_from_served: bool
    versions: frozenset[str] = frozenset()

    @property
    def follows_served(self) -> bool:
        """Whether the proxy rejected nothing itself, and is sent the served version."""
        return self.version is None and not self.differs_from_served


class Blame(NamedTuple):
    """The part of a rejected response that is to blame: see `Rejection`."""

    blamed: tuple[tuple[str, str], ...]
    unbound: frozenset[str]
    is_repeated: bool


class Wanted(Protocol):
    """The snapshot that the source asks for."""

    def wants(self, resource: Resource) -> bool:
        """Whether the version is the wanted one."""

    def has_replaced(self, resource: Resource) -> bool:
        """Whether another version is wanted, so that a NACK says nothing about the wanted one."""
