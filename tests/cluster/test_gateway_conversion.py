"""A real API server takes the objects that `xds migrate --to gateway-api` prints, by schema and by CEL rules.

Excludes: sessionPersistence, which is in the experimental channel; what the objects say (tests/migrate).
"""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support import crds
from tests.support.cluster import Cluster
from xds.cli.migration.input import read_folder
from xds.cli.migration.judging import Wish, converted
from xds.problems.problem import Key

pytestmark = crds.needs_crds

CORPUS: Final = Path(__file__).parents[1] / "migrate" / "corpus"
LEAST: Final = 50
"""Objects that the corpus gives at least."""


def document(found: dict[str, Any], namespace: str, number: int) -> dict[str, Any]:
    """An object in the namespace of the test, with a name of its own and without fields of the experimental channel."""
    metadata = {"name": f"{namespace}-{number}"}
    if found["kind"] != "GatewayClass":
        metadata["namespace"] = namespace
    spec = dict(found["spec"])
    if found["kind"] == "HTTPRoute":
        spec["rules"] = [
            {name: value for name, value in each.items() if name != "sessionPersistence"} for each in spec["rules"]
        ]
    return {**found, "metadata": metadata, "spec": spec}


@pytest.mark.usefixtures("gateway_kinds")
async def test_the_api_server_takes_each_printed_object(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    conversion = converted(read_folder(CORPUS), Wish(classes=("nginx",)), Key("edge", "web"), "ours")
    documents = [document(each, namespace, number) for number, each in enumerate(conversion.objects)]
    assert len(documents) > LEAST
    assert {each["kind"] for each in documents} >= {"GatewayClass", "Gateway", "ListenerSet", "HTTPRoute"}
    manifest = tmp_path / "routes.json"
    manifest.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": documents}))
    await cluster.kubectl("create", "--dry-run=server", "--validate=strict", "-o", "name", "-f", str(manifest))
