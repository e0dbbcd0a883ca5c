"""Statuses of the Gateway API, written for generated objects.

Covers: the CustomResourceDefinitions allow each status; a second write changes nothing; each condition has a message if
something is wrong. Excludes: which conditions an object gets (tests/translate/gateway).
"""

import re
from functools import cache
from typing import Any

import jsonschema
import yaml
from hypothesis import given

from tests.properties.test_gateway_api import CHANGES, SETTINGS
from tests.support import crds
from tests.support.fake_api import merge
from tests.support.gateway_world import GatewayWorld
from xds.kube.kinds import KINDS_BY_NAME
from xds.kube.objects import KubeObject
from xds.reporting.gateway_status import status_patch
from xds.reporting.rejected_status import Rejection, with_rejections
from xds.translate.gateway.status import WantedStatus

pytestmark = crds.needs_crds

NOW = "2026-11-30T08:00:00Z"
REJECTED = (Rejection("a proxy rejects Listener tcp/192.0.2.1:80; the proxy says no. Undo it."),)


@cache
def schema(plural: str) -> Any:
    """The schema of the status of a kind."""
    [file] = [each for each in crds.files("gateway-api") if each.stem.endswith(f"_{plural}")]
    versions = yaml.safe_load(file.read_text())["spec"]["versions"]
    [found] = [each for each in versions if each["name"] == "v1"]
    return jsonschema.Draft4Validator(found["schema"]["openAPIV3Schema"]["properties"]["status"])


def written(status: WantedStatus) -> dict[str, Any]:
    """The status of a new object after the write."""
    found = {"metadata": {"resourceVersion": "1", "generation": status.generation}}
    patch = status_patch(found, status, NOW)
    merged = merge(found, patch or {})
    assert status_patch(merged, status, "later") is None
    after: dict[str, Any] = merged.get("status", {})
    return after


def conditions(status: Any) -> list[dict[str, Any]]:
    """All conditions at any depth."""
    if isinstance(status, list):
        return [found for each in status for found in conditions(each)]
    if not isinstance(status, dict):
        return []
    return [*status.get("conditions", ()), *(found for each in status.values() for found in conditions(each))]


@given(CHANGES)
@SETTINGS
def test_the_custom_resource_definitions_allow_each_status(changes: list[tuple[KubeObject, str]]) -> None:
    world = GatewayWorld(*(each for each, verb in changes if verb == "apply"))
    for about, wanted in world.api.statuses.items():
        for status in (written(wanted), written(with_rejections(wanted, REJECTED))):
            wrong = schema(KINDS_BY_NAME[about.kind].plural).iter_errors(status)
            assert [f"{each.json_path}: {each.message}" for each in wrong] == []
            assert all(re.search(r"\w", each["message"]) for each in conditions(status) if _is_wrong(each))


def _is_wrong(condition: dict[str, Any]) -> bool:
    is_good = "False" if condition["type"] == "Conflicted" else "True"
    return bool(condition["status"] != is_good and condition["type"] != "OverlappingTLSConfig")
