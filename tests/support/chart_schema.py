"""values.schema.json of the Helm chart, which Helm holds values against: from values.yaml.

Source: https://helm.sh/docs/topics/charts/#schema-files
"""

import json
from typing import Any, Final

from tests.support.chart_values import CHART, Value, read

PAGE: Final = CHART / "values.schema.json"

Schema = dict[str, Any]

PORT: Final[Schema] = {"type": "integer", "minimum": 1, "maximum": 65535}
STRINGS: Final[Schema] = {"type": "object", "additionalProperties": {"type": "string"}}
QUANTITIES: Final[Schema] = {"type": "object", "additionalProperties": {"type": ["string", "number"]}}

OWN_LABELS: Final = [
    *(f"app.kubernetes.io/{each}" for each in ("name", "instance", "component", "part-of", "version", "managed-by")),
    "helm.sh/chart",
]
"""Labels that the chart writes, and selectors count on."""

DEFINITIONS: Final[Schema] = {
    "port": PORT,
    "optionalPort": {**PORT, "type": ["integer", "null"]},
    "strings": STRINGS,
    "labels": {**STRINGS, "propertyNames": {"not": {"enum": OWN_LABELS}}},
    "named": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string", "minLength": 1}}},
    "dnsLabel": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 63},
    "optionalName": {"type": "string", "pattern": "^([a-z]([-a-z0-9]*[a-z0-9])?)?$"},
    "duration": {"type": "string", "pattern": "^([0-9]+(ms|s|m|h))*$"},
    "countOrPercent": {"type": ["integer", "string"], "minimum": 0, "pattern": "^[0-9]+%$"},
    "resources": {
        "type": "object",
        "properties": {"requests": QUANTITIES, "limits": QUANTITIES, "claims": {"type": "array"}},
        "additionalProperties": False,
    },
    "nodePorts": {"type": "object", "additionalProperties": PORT},
    "servicePort": {
        "type": "object",
        "required": ["name", "port"],
        "properties": {
            "name": {"type": "string", "pattern": "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "maxLength": 15},
            "port": PORT,
            "targetPort": PORT,
            "protocol": {"enum": ["TCP", "UDP"]},
            "nodePort": PORT,
            "appProtocol": {"type": "string", "minLength": 1},
        },
        "additionalProperties": False,
    },
    "peers": {
        "type": "array",
        "items": {
            "type": "object",
            "minProperties": 1,
            "properties": {each: {"type": "object"} for each in ("podSelector", "namespaceSelector", "ipBlock")},
            "additionalProperties": False,
        },
    },
}
"""The references of `@schema`. Peers are those of a NetworkPolicy; an empty one is an error."""

TYPES: Final = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object", type(None): "null"}


def text() -> str:
    head = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Values of the chart xds-ingress",
        "$comment": "Made from values.yaml by `make generate`.",
    }
    schema = {**head, **_schema(read()), "definitions": DEFINITIONS}
    # Helm gives every chart that is part of another one the values of `global`.
    schema["properties"] |= {"global": {"type": "object"}}
    return json.dumps(schema, indent=2) + "\n"


def _schema(value: Value) -> Schema:
    described: Schema = {"description": value.description} if value.description else {}
    if value.children:
        properties = {each.path[-1]: _schema(each) for each in value.children}
        required = [each.path[-1] for each in value.children if _is_required(each)]
        return {
            **described,
            "type": "object",
            "properties": properties,
            "required": required,
            "additionalProperties": False,
        }
    if "$ref" in value.schema:  # whose neighbours draft 7 ignores
        return {**described, "allOf": [value.schema]}
    return {**described, "type": TYPES[type(value.default)], **value.schema}


def _is_required(value: Value) -> bool:
    """Templates need the value: a section, a number, a choice. A `null` removes a default, and `helm upgrade
    --reuse-values` has no default of a value that is newer than the release."""
    if value.children:
        return True
    if "null" in value.schema.get("type", ()):
        return False
    return isinstance(value.default, bool | int) or (isinstance(value.default, str) and value.default != "")
