"""A kind is told once, on its class: decoding, watching and keeping objects need nothing more.

Covers a made-up kind on the way from a manifest and from an API server to the object table. Excludes the fields of the
kinds that exist (test_decode, test_wire) and their effect on traffic (test_state).
"""

from typing import ClassVar

import msgspec
import pytest

from xds.kube import kinds, objects, state
from xds.kube.change import Applied, Listed
from xds.kube.decode import decode, is_name
from xds.kube.kinds import KINDS, KINDS_BY_NAME
from xds.kube.objects import KubeObject, Part
from xds.kube.state import KubeState
from xds.kube.wire import Found, Page, event_of, page_of
from xds.problems.problem import Key, ObjectRef, Problem
from xds.sources.apiserver import scope
from xds.sources.apiserver.scope import Scope, scopes


class GadgetSpec(Part, frozen=True):
    teeth: int = 0


class Gadget(KubeObject, frozen=True):
    kind: ClassVar[str] = "Gadget"
    api_version: ClassVar[str] = "example.com/v2"
    plural: ClassVar[str] = "gadgets"

    spec: GadgetSpec = GadgetSpec()


class Planet(KubeObject, frozen=True):
    kind: ClassVar[str] = "Planet"
    api_version: ClassVar[str] = "example.com/v1"
    plural: ClassVar[str] = "planets"
    namespaced: ClassVar[bool] = False


MANIFEST = {
    "apiVersion": "example.com/v2",
    "kind": "Gadget",
    "metadata": {"name": "saw", "namespace": "shop"},
    "spec": {"teeth": 32},
}
SAW = Key("shop", "saw")


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (kinds, state, scope):
        monkeypatch.setattr(module, "KINDS", (*KINDS, Gadget, Planet))
    for kind in (Gadget, Planet):
        monkeypatch.setitem(KINDS_BY_NAME, kind.kind, kind)


def gadget() -> KubeObject:
    decoded = decode(MANIFEST)
    assert isinstance(decoded, Gadget)
    return decoded


def test_a_new_kind_is_decoded_from_a_manifest() -> None:
    assert gadget().ref == ObjectRef("Gadget", "shop", "saw")
    assert gadget() == Gadget(objects.Metadata("saw", "shop"), GadgetSpec(32))


def test_an_unsupported_version_of_a_new_kind_is_a_problem() -> None:
    found = decode({**MANIFEST, "apiVersion": "example.com/v1"})
    assert isinstance(found, Problem)
    assert "example.com/v2" in found.remedy


def test_a_cluster_scoped_kind_ignores_the_namespace() -> None:
    document = {"apiVersion": "example.com/v1", "kind": "Planet", "metadata": {"name": "mars", "namespace": "shop"}}
    found = decode(document)
    assert isinstance(found, Planet)
    assert found.key == Key("", "mars")
    assert is_name(Planet, Key("", "mars"))
    assert not is_name(Planet, Key("shop", "mars"))


def test_a_new_kind_is_read_from_a_watch_and_from_a_list() -> None:
    metadata = {**MANIFEST["metadata"], "resourceVersion": "7"}  # type: ignore[dict-item]
    wire = {**MANIFEST, "metadata": metadata}
    assert event_of(Gadget, msgspec.json.encode({"type": "ADDED", "object": wire})) == Found(SAW, "7", gadget())
    body = msgspec.json.encode({"metadata": {"resourceVersion": "9"}, "items": [wire]})
    assert page_of(Gadget, body) == Page((Found(SAW, "7", gadget()),), "9", "")


def test_a_new_kind_is_watched_under_the_path_of_its_class() -> None:
    found = scopes(["shop"], None)
    assert Scope(Gadget, "shop") in found
    assert Scope(Planet) in found
    assert Scope(Gadget, "shop").path == "/apis/example.com/v2/namespaces/shop/gadgets"
    assert Scope(Planet).resource == "planets.example.com"


def test_a_new_kind_must_be_listed_and_needs_a_rule_for_its_changes() -> None:
    """The kind itself stands in one place; the state says which hosts its changes make stale."""
    known = KubeState()
    for kind in KINDS:
        known.apply(Listed(kind))
    assert not known.synced
    for new in (Gadget, Planet):
        known.apply(Listed(new))
    assert known.synced
    with pytest.raises(TypeError, match="no rule for a change of Gadget"):
        known.apply(Applied(gadget()))
