"""The settings of listeners that decide over answers."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class EdgeOptions:
    """The settings in `ProxyOptions` that decide over answers."""

    redirect_https: bool = False
    trusted_hops: int = 0
    merge_slashes: bool = True


DEFAULT_EDGE: Final = EdgeOptions()
