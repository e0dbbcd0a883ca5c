"""Names in the objects of an installation, by kustomize or by Helm: the mentioned objects, and the selected Pods."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.support.manifests import Object, arguments, containers, environment, pod_spec
from tests.support.network_policies import selects

CLUSTER_SCOPED = {"Namespace", "ClusterRole", "ClusterRoleBinding", "IngressClass"}

WORKLOADS = {"Deployment", "DaemonSet"}


@dataclass(frozen=True)
class Reference:
    """The mention of an object.

    Attributes:
        place: Where it is mentioned, for messages.
    """

    kind: str
    namespace: str
    name: str
    place: str


@dataclass(frozen=True)
class Selector:
    """A selector of Pods of one namespace."""

    namespace: str
    selector: Mapping[str, Any]
    place: str


@dataclass(frozen=True)
class Installation:
    """The objects of one installation."""

    objects: Sequence[Object]

    def of_kind(self, *kinds: str) -> list[Object]:
        return [each for each in self.objects if each["kind"] in kinds]

    def workload(self, component: str) -> Object:
        [found] = [each for each in self.of_kind(*WORKLOADS) if component_of(each) == component]
        return found

    @property
    def names(self) -> set[tuple[str, str, str]]:
        """Kind, namespace and name of all objects."""
        return {
            (each["kind"], each["metadata"].get("namespace", ""), each["metadata"]["name"]) for each in self.objects
        }

    @property
    def references(self) -> list[Reference]:
        """The mentions of objects of the installation, of Secrets too."""
        found = [each for workload in self.of_kind(*WORKLOADS) for each in _of_pod(workload)]
        found += _of_arguments(self.workload("control-plane"), self.workload("proxy"))
        for each in self.of_kind("RoleBinding", "ClusterRoleBinding"):
            namespace, place = each["metadata"].get("namespace", ""), f"{each['kind']} {each['metadata']['name']}"
            role = each["roleRef"]
            found.append(
                Reference(role["kind"], "" if role["kind"] == "ClusterRole" else namespace, role["name"], place)
            )
            found += [Reference(of["kind"], of["namespace"], of["name"], place) for of in each["subjects"]]
        for each in self.of_kind("Certificate", "HorizontalPodAutoscaler"):
            namespace, spec = each["metadata"]["namespace"], each["spec"]
            target = spec.get("issuerRef") or spec["scaleTargetRef"]
            found.append(
                Reference(target["kind"], namespace, target["name"], f"{each['kind']} {each['metadata']['name']}")
            )
        return found

    @property
    def secrets(self) -> set[tuple[str, str]]:
        """Namespace and name of the mentioned Secrets."""
        mounted = {(each.namespace, each.name) for each in self.references if each.kind == "Secret"}
        made = {(each["metadata"]["namespace"], each["spec"]["secretName"]) for each in self.of_kind("Certificate")}
        return mounted | made

    @property
    def lease(self) -> tuple[str, str]:
        """Namespace and name."""
        workload = self.workload("control-plane")
        return workload["metadata"]["namespace"], flag(workload, "xds", "--lease-name")

    @property
    def selectors(self) -> list[Selector]:
        """All selectors of Pods."""
        return [
            Selector(each["metadata"]["namespace"], selector, f"{each['kind']} {each['metadata']['name']}: {path}")
            for each in self.objects
            for path, selector in _selectors(each)
        ]


def component_of(workload: Object) -> str:
    return str(workload["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"])


def flag(workload: Object, container: str, name: str) -> str:
    """The value of a flag, by argument or by environment variable."""
    [found] = [each for each in containers(workload) if each["name"] == container]
    given = dict(each.split("=", 1) for each in arguments(workload, found) if "=" in each)
    variable = "XDS_" + name.lstrip("-").upper().replace("-", "_")
    return given.get(name) or environment(workload, found)[variable]


def chosen(selector: Selector, workload: Object) -> bool:
    same = selector.namespace == workload["metadata"]["namespace"]
    return same and selects(selector.selector, workload["spec"]["template"]["metadata"]["labels"])


def share_nothing(first: Installation, second: Installation) -> None:
    """Assert that two installations share neither a name nor a Pod, in both directions."""
    assert {each for each in first.names & second.names if each[0] != "Namespace"} == set()
    assert not first.secrets & second.secrets
    assert first.lease != second.lease
    classes = [flag(each.workload("control-plane"), "xds", "--ingress-class") for each in (first, second)]
    assert len(set(classes)) == 2
    for one, other in itertools.permutations((first, second)):
        assert len(one.selectors) >= 12
        for selector in one.selectors:
            assert not any(chosen(selector, each) for each in other.of_kind(*WORKLOADS)), selector.place


def _selectors(item: Object) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Label selectors of an object, except those of other namespaces' Pods and of the whole namespace."""
    spec = item.get("spec") or {}
    if item["kind"] == "Service":
        yield "spec.selector", {"matchLabels": spec["selector"]}
        return
    for path, found in _walk(spec, "spec"):
        if path.rpartition(".")[2] in ("selector", "podSelector", "labelSelector") and found:
            yield path, found


def _walk(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    yield path, value
    if isinstance(value, dict):
        for name, each in value.items():
            yield from _walk(each, f"{path}.{name}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _walk(each, f"{path}.{number}")


def _of_pod(workload: Object) -> Iterator[Reference]:
    namespace, place = workload["metadata"]["namespace"], f"{workload['kind']} {workload['metadata']['name']}"
    spec = pod_spec(workload)
    yield Reference("ServiceAccount", namespace, spec["serviceAccountName"], place)
    for volume in spec["volumes"]:
        if "secret" in volume:
            yield Reference("Secret", namespace, volume["secret"]["secretName"], place)
        if "configMap" in volume:
            yield Reference("ConfigMap", namespace, volume["configMap"]["name"], place)
    annotations = workload["spec"]["template"]["metadata"].get("annotations", {})
    if secret := annotations.get("xds-ingress.dev/operator-secret"):
        yield Reference("Secret", namespace, secret, place)


def _of_arguments(control_plane: Object, fleet: Object) -> Iterator[Reference]:
    namespace = control_plane["metadata"]["namespace"]
    service, owner, kind = flag(fleet, "bootstrap", "--xds").partition(":")[0].split(".")
    assert kind == "svc"
    yield Reference("Service", owner, service, "bootstrap --xds")
    peers = flag(control_plane, "xds", "--peers").partition(":")[0]
    yield Reference("Service", namespace, peers, "serve --peers")
    for protocol in ("tcp", "udp"):
        name = f"--{protocol}-services-configmap"
        [container] = containers(control_plane)
        if any(each.startswith(name) for each in container["args"]):
            owner, _, config_map = flag(control_plane, "xds", name).partition("/")
            yield Reference("ConfigMap", owner, config_map, f"serve {name}")
    owner, _, service = flag(control_plane, "xds", "--publish-service").partition("/")
    yield Reference("Service", owner, service, "serve --publish-service")
    yield Reference("IngressClass", "", flag(control_plane, "xds", "--ingress-class"), "serve --ingress-class")
