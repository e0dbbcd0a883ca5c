"""Schemas for kubeconform, made from the OpenAPI of a running API server, whatever kinds it knows."""

import json
from pathlib import Path
from typing import Any, Final

from tests.support.cluster import Cluster

Schema = dict[str, Any]

_GVK: Final = "x-kubernetes-group-version-kind"
_REFERENCE: Final = "#/components/schemas/"


async def write(cluster: Cluster, folder: Path) -> str:
    """Write a strict schema of each kind; the template of their paths, for `-schema-location`."""
    for path in (await _document(cluster, "/openapi/v3"))["paths"].values():
        document = await _document(cluster, path["serverRelativeURL"])
        schemas = {name: _strict(each) for name, each in document.get("components", {}).get("schemas", {}).items()}
        for name, schema in schemas.items():
            for kind in schema.get(_GVK, ()) if "metadata" in schema.get("properties", {}) else ():
                file = folder / f"{kind['kind'].lower()}{_suffix(kind)}.json"
                needed = {each: schemas[each] for each in _reachable(name, schemas)}
                content = {"$ref": _REFERENCE + name, "components": {"schemas": needed}}
                file.write_text(json.dumps(content), encoding="utf-8")
    return f"{folder}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"


async def _document(cluster: Cluster, path: str) -> Schema:
    """JSON, whatever its content type."""
    found = await cluster.get(path)
    return dict(json.loads(found) if isinstance(found, str) else found)


def _suffix(kind: Schema) -> str:
    """As kubeconform has it: the first label of the group, and the version."""
    group = kind["group"].partition(".")[0]
    return f"-{group}-{kind['version']}" if group else f"-{kind['version']}"


def _reachable(name: str, schemas: dict[str, Schema]) -> set[str]:
    found, new = {name}, [name]
    while new:
        for other in _references(schemas[new.pop()]) - found:
            found.add(other)
            new.append(other)
    return found


def _references(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return {name for each in schema for name in _references(each)}
    if not isinstance(schema, dict):
        return set()
    own = schema.get("$ref")
    below = {name for each in schema.values() for name in _references(each)}
    return below | {own.removeprefix(_REFERENCE)} if isinstance(own, str) else below


def _strict(schema: Any) -> Any:
    """The schema, in which a field that the API server does not know is a mistake, unless its kind keeps any."""
    if isinstance(schema, list):
        return [_strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    result = {key: _strict(value) for key, value in schema.items()}
    keeps = schema.get("x-kubernetes-preserve-unknown-fields")
    if isinstance(schema.get("properties"), dict) and "additionalProperties" not in schema and not keeps:
        result["additionalProperties"] = False
    return result
