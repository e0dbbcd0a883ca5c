"""Requests that the access log leaves out."""

from xds.envoyapi.messages import HttpFilter, SetMetadata, SetMetadataEntry, Struct, Value
from xds.resources import names
from xds.resources.filters.switched import off

NAME = "unlogged"

LOG = "log"
"""The key in the dynamic metadata of a request. The access log leaves a request with the value false out."""


def unlogged() -> HttpFilter:
    value = Struct(fields={LOG: Value(bool_value=False)})
    entry = SetMetadataEntry(metadata_namespace=names.METADATA_NAMESPACE, value=value)
    return off(NAME, SetMetadata(metadata=[entry]))
