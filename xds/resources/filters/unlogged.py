"""Requests that the access log leaves out."""

from xds.envoyapi.messages import Any, HttpFilter, SetMetadata, SetMetadataEntry, Struct, Value
from xds.resources import names
from xds.resources.filters.switched import off, on
from xds.traffic.policy import Policy

NAME = "unlogged"

LOG = "log"
"""The key in the dynamic metadata of a request. The access log leaves a request with the value false out."""


def unlogged() -> HttpFilter:
    value = Struct(fields={LOG: Value(bool_value=False)})
    entry = SetMetadataEntry(metadata_namespace=names.METADATA_NAMESPACE, value=value)
    return off(NAME, SetMetadata(metadata=[entry]))


def unlogged_routes(policy: Policy) -> Any | None:
    """The filter's configuration for routes of a policy; None for routes that are logged."""
    return None if policy.is_logged else on()
