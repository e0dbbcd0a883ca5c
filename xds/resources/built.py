"""The result of building resources."""

from typing import TypeAlias

from xds.snapshot.resource import Resource
from xds.snapshot.store import ResourceKey

BuiltResources: TypeAlias = dict[ResourceKey, Resource | None]
"""Built resources by type and name. None: the resource is removed."""
