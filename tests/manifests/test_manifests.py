"""The manifests of k8s/ and the certificates without a cluster: agreement with each other and with the
command line, and confined Pods.

Excludes: the API server's view, and whether the rights suffice (tests/cluster/test_manifests.py); the drain hook
(tests/e2e/test_drain.py); the image (tests/release).
"""

import importlib
import re
import tomllib
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner

from tests.support import kustomize_tree, manifests
from tests.support.envoy import DEPLOYED
from tests.support.manifests import CONTROL_PLANE, FLEET, K8S, NAMESPACE, Object, build, find, needs_kubectl, overlay
from xds.bootstrap.config import STATS_PATHS
from xds.cli.bootstrap import bootstrap
from xds.cli.forward import OPERATOR_SECRET
from xds.cli.main import COMMANDS
from xds.resources.options import ProxyOptions

ROOT = K8S.parent
TLS = "/etc/xds-ingress/tls"

pytestmark = needs_kubectl


def command(name: str) -> click.Command:
    module, _, attribute = COMMANDS[name].place.partition(":")
    found: click.Command = getattr(importlib.import_module(module), attribute)
    return found


def deployments() -> list[Object]:
    return [each for each in build() if each["kind"] == "Deployment"]


def pod_of(deployment: str) -> Object:
    return manifests.pod_spec(find("Deployment", deployment))


def container(deployment: str, name: str) -> Object:
    [found] = [each for each in manifests.containers(find("Deployment", deployment)) if each["name"] == name]
    return found


def port(of: Object, name: str) -> int:
    return int(next(each["containerPort"] for each in of["ports"] if each["name"] == name))


def environment(deployment: str, name: str) -> dict[str, str]:
    return manifests.environment(find("Deployment", deployment), container(deployment, name))


def arguments(deployment: str, name: str) -> list[str]:
    return manifests.arguments(find("Deployment", deployment), container(deployment, name))


def flags(given: list[str]) -> dict[str, str]:
    """`--flag=value` and `--flag` by name."""
    assert all(each.startswith("--") for each in given)
    return {name: value for name, _, value in (each.partition("=") for each in given)}


def serve_flags() -> dict[str, str]:
    name, *given = arguments(CONTROL_PLANE, "xds")
    assert name == "serve"
    return flags(given)


def bootstrap_flags() -> dict[str, str]:
    return flags(arguments(FLEET, "bootstrap"))


def selects(selector: Object, labels: Object) -> bool:
    return selector.items() <= labels.items()


# The command line.


def test_the_flags_of_serve_exist() -> None:
    known = {flag for parameter in command("serve").params for flag in parameter.opts}
    assert serve_flags().keys() <= known


def test_environment_variables_are_those_of_flags() -> None:
    """Except those that arguments refer to."""
    for deployment, name, commands in (
        (CONTROL_PLANE, "xds", ("serve", "proxies")),
        (FLEET, "bootstrap", ("bootstrap",)),
    ):
        parameters = [each for of in commands for each in command(of).params]
        known = {parameter.envvar for parameter in parameters if isinstance(parameter, click.Option)}
        texts = "".join(container(deployment, name)["args"])
        others = {each for each in environment(deployment, name) if f"$({each})" not in texts}
        assert others <= known
        assert all(each.startswith("XDS_") == (each in known) for each in environment(deployment, name))


def test_mutual_tls_is_complete_at_server_and_proxy() -> None:
    files = {f"{TLS}/tls.crt", f"{TLS}/tls.key", f"{TLS}/ca.crt"}
    server = environment(CONTROL_PLANE, "xds")
    assert {server[f"XDS_TLS_{name}"] for name in ("CERT", "KEY", "CLIENT_CA")} == files
    assert {bootstrap_flags()[f"--tls-{name}"] for name in ("cert", "key", "ca")} == files
    for deployment, secret in ((CONTROL_PLANE, "xds-ingress-server-tls"), (FLEET, "xds-ingress-client-tls")):
        volumes = {each["name"]: each for each in pod_of(deployment)["volumes"]}
        assert volumes["tls"]["secret"]["secretName"] == secret
        for each in (each for each in manifests.containers(find("Deployment", deployment)) if each["name"] != "authz"):
            [mount] = [each for each in each["volumeMounts"] if each["name"] == "tls"]
            assert (mount["mountPath"], mount["readOnly"], "subPath" in mount) == (TLS, True, False)


def test_the_bootstrap_is_written(tmp_path: Path) -> None:
    """With the command of the init container, but for the folder."""
    given = {**bootstrap_flags(), "--sds-dir": str(tmp_path)}
    given["--tls-server-name"] = environment(FLEET, "bootstrap")["XDS_TLS_SERVER_NAME"]
    result = CliRunner().invoke(bootstrap, [f"{name}={value}" for name, value in given.items()])
    assert result.exit_code == 0, result.output
    written = yaml.safe_load(result.output)
    assert written["node"] == {"id": "POD", "cluster": "xds-ingress"}
    init, envoy = container(FLEET, "bootstrap"), container(FLEET, "envoy")
    script, [output] = init["command"][2], re.findall(r"> (\S+)", init["command"][2])
    assert script.startswith('exec xds bootstrap "$@" ')
    assert envoy["args"][envoy["args"].index("--config-path") + 1] == output
    assert bootstrap_flags()["--sds-dir"] == str(Path(output).parent)


def test_only_certificates_of_control_plane_and_operators_may_use_the_debug_api() -> None:
    names = {environment(*of)["XDS_TLS_SERVER_NAME"] for of in ((CONTROL_PLANE, "xds"), (FLEET, "bootstrap"))}
    given = [each.partition("=") for each in arguments(CONTROL_PLANE, "xds")]
    operators = [value for name, _, value in given if name == "--tls-operators"]
    assert operators == [*names, "xds-operator"]
    assert bootstrap_flags()["--node-cluster"] not in operators


def test_the_role_of_operators_is_what_kubectl_xds_does() -> None:
    role = find("Role", "xds-ingress-operator")
    rules = {tuple(each["resources"]): (each["verbs"], each.get("resourceNames")) for each in role["rules"]}
    assert rules == {
        ("pods",): (["get", "list"], None),
        ("pods/portforward",): (["get", "create"], None),
        ("secrets",): (["get"], [OPERATOR_SECRET]),
    }


def test_the_bootstrap_bounds_envoy_by_the_limit_of_its_container() -> None:
    [max_memory] = [each for each in container(FLEET, "bootstrap")["env"] if each["name"] == "XDS_MAX_MEMORY"]
    assert max_memory["valueFrom"] == {"resourceFieldRef": {"containerName": "envoy", "resource": "limits.memory"}}
    assert "memory" in container(FLEET, "envoy")["resources"]["limits"]
    assert "XDS_MAX_MEMORY" in {each.envvar for each in bootstrap.params if isinstance(each, click.Option)}


def test_envoy_runs_as_in_the_tests() -> None:
    assert " ".join(DEPLOYED[:2]) in " ".join(container(FLEET, "envoy")["args"])
    assert set(DEPLOYED) <= set(container(FLEET, "envoy")["args"])


# Ports and paths.


def test_the_ports_of_the_control_plane() -> None:
    xds, given = container(CONTROL_PLANE, "xds"), serve_flags()
    assert given["--listen"] == f"[::]:{port(xds, 'ads')}"
    assert given["--admin"] == f"[::]:{port(xds, 'admin')}"
    assert given["--listener-address"] == "::"
    [service] = find("Service", CONTROL_PLANE)["spec"]["ports"]
    assert service["targetPort"] == "ads"
    assert bootstrap_flags()["--xds"] == f"xds-ingress.xds-ingress.svc:{service['port']}"


def test_the_ports_of_the_fleet() -> None:
    envoy, options = container(FLEET, "envoy"), ProxyOptions()
    assert (port(envoy, "http"), port(envoy, "https")) == (options.http_port, options.https_port)
    assert port(envoy, "stats") == int(bootstrap_flags()["--stats-port"])
    ports = {each["port"]: each["targetPort"] for each in find("Service", FLEET)["spec"]["ports"]}
    assert ports == {80: "http", 443: "https"}
    *_, admin, https = envoy["lifecycle"]["preStop"]["exec"]["command"]
    assert admin == bootstrap_flags()["--admin-port"]
    assert int(https) == port(envoy, "https")


def test_probes_ask_for_existing_paths() -> None:
    source = (ROOT / "xds/process/admin.py").read_text()
    for probe in ("readinessProbe", "livenessProbe"):
        asked = container(CONTROL_PLANE, "xds")[probe]["httpGet"]
        assert asked["port"] == "admin"
        assert f'"{asked["path"]}": self._' in source
    for probe in ("startupProbe", "livenessProbe"):
        asked = container(FLEET, "authz")[probe]["httpGet"]
        assert asked["port"] == "authz-admin"
        assert f'"{asked["path"]}": self._' in source
    asked = container(FLEET, "envoy")["readinessProbe"]["httpGet"]
    assert asked["port"] == "stats"
    assert asked["path"] in STATS_PATHS


def test_envoy_asks_the_authorizer_of_its_own_pod() -> None:
    pod, authz = pod_of(FLEET), container(FLEET, "authz")
    name, *rest = arguments(FLEET, "authz")
    given = flags(rest)
    assert name == "authz"
    assert given.keys() <= {flag for parameter in command("authz").params for flag in parameter.opts}
    assert given["--listen"] == serve_flags()["--authz"]
    assert int(given["--admin"].rpartition(":")[2]) == port(authz, "authz-admin")
    socket = Path(given["--listen"].removeprefix("unix:"))
    for each in (authz, container(FLEET, "envoy")):
        [mount] = [mount for mount in each["volumeMounts"] if mount["name"] == "authz"]
        assert mount["mountPath"] == str(socket.parent)
        assert "runAsUser" not in each["securityContext"], "the socket is for one user"
    [volume] = [each for each in pod["volumes"] if each["name"] == "authz"]
    assert volume["emptyDir"]["medium"] == "Memory"


def test_the_authorizer_outlives_envoy() -> None:
    """A sidecar of Kubernetes starts before the containers, and is stopped after the last of them."""
    [first, *_] = pod_of(FLEET)["initContainers"]
    assert (first["name"], first["restartPolicy"]) == ("authz", "Always")
    assert "readinessProbe" not in first
    assert "cpu" not in first["resources"]["limits"]


def test_the_hook_ends_before_the_grace_period() -> None:
    pod, hook = pod_of(FLEET), container(FLEET, "envoy")["lifecycle"]["preStop"]["exec"]["command"]
    shell, script, seconds, *_ = hook
    assert (shell, Path(script).name) == ("bash", "drain.sh")
    assert int(seconds) < pod["terminationGracePeriodSeconds"] / 2
    [volume] = [each for each in pod["volumes"] if each["name"] == "drain"]
    config = find("ConfigMap", volume["configMap"]["name"])
    assert config["data"] == {"drain.sh": (K8S / "chart/xds-ingress/files/drain.sh").read_text()}


# References between objects.


@pytest.mark.parametrize("deployment", [CONTROL_PLANE, FLEET])
def test_selectors_match_exactly_their_pods(deployment: str) -> None:
    labels = {each["metadata"]["name"]: each["spec"]["template"]["metadata"]["labels"] for each in deployments()}
    spec = find("Deployment", deployment)["spec"]
    selectors = [
        spec["selector"]["matchLabels"],
        find("Service", deployment)["spec"]["selector"],
        find("PodDisruptionBudget", deployment)["spec"]["selector"]["matchLabels"],
    ]
    for selector in selectors:
        assert [name for name, each in labels.items() if selects(selector, each)] == [deployment]
    affinity = spec["template"]["spec"]["affinity"]["podAntiAffinity"]
    [apart] = affinity["preferredDuringSchedulingIgnoredDuringExecution"]
    assert selects(apart["podAffinityTerm"]["labelSelector"]["matchLabels"], labels[deployment])


def test_replicas_find_each_other_by_a_headless_service_ready_or_not() -> None:
    name, _, number = serve_flags()["--peers"].partition(":")
    spec = find("Service", name)["spec"]
    assert (spec["clusterIP"], spec["publishNotReadyAddresses"]) == ("None", True)
    assert spec["selector"] == find("Service", CONTROL_PLANE)["spec"]["selector"]
    [ads] = spec["ports"]
    assert (str(ads["port"]), ads["targetPort"]) == (number, "ads")
    assert int(number) == port(container(CONTROL_PLANE, "xds"), "ads"), "no proxy of the Service is between"


def test_the_published_service_is_the_fleets() -> None:
    namespace, _, name = serve_flags()["--publish-service"].partition("/")
    service = find("Service", name)
    assert service["metadata"]["namespace"] == namespace
    assert (service["spec"]["type"], service["spec"]["externalTrafficPolicy"]) == ("LoadBalancer", "Local")


def test_the_ingress_class_is_ours() -> None:
    [ingress_class] = [each for each in build() if each["kind"] == "IngressClass"]
    assert ingress_class["spec"]["controller"] == "xds-ingress.dev/controller"
    default = next(each.default for each in command("serve").params if "--ingress-class" in each.opts)
    assert ingress_class["metadata"]["name"] == environment(CONTROL_PLANE, "xds")["XDS_INGRESS_CLASS"] == default


def test_namespaced_objects_have_a_namespace() -> None:
    without = {"Namespace", "ClusterRole", "ClusterRoleBinding", "IngressClass"}
    for each in build():
        assert each["metadata"].get("namespace") == (None if each["kind"] in without else NAMESPACE), each["kind"]


def test_the_fleet_has_no_rights() -> None:
    pod = pod_of(FLEET)
    assert pod["automountServiceAccountToken"] is False
    assert find("ServiceAccount", pod["serviceAccountName"])["automountServiceAccountToken"] is False
    bindings = [each for each in build() if each["kind"].endswith("RoleBinding")]
    subjects = {(each["kind"], each["name"], each["namespace"]) for binding in bindings for each in binding["subjects"]}
    assert subjects == {("ServiceAccount", CONTROL_PLANE, NAMESPACE)}


def test_no_webhook_listens() -> None:
    """CVE-2025-1974 and CVE-2026-24514 are of ingress-nginx's: docs/security.md."""
    assert [each["kind"] for each in build() if "Webhook" in each["kind"]] == []
    listens = {
        port["name"] for each in deployments() for of in manifests.containers(each) for port in of.get("ports", [])
    }
    assert not any("webhook" in name for name in listens)


# Confinement: https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, and a root that is
# read only. tests/cluster asks the API server too.


@pytest.mark.parametrize("deployment", [CONTROL_PLANE, FLEET])
def test_pods_are_confined(deployment: str) -> None:
    pod = pod_of(deployment)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for each in manifests.containers(find("Deployment", deployment)):
        assert each["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"cpu", "memory"} == each["resources"]["requests"].keys()
        assert "memory" in each["resources"]["limits"]


@pytest.mark.parametrize("deployment", [CONTROL_PLANE, FLEET])
def test_a_disruption_leaves_a_replica(deployment: str) -> None:
    spec = find("Deployment", deployment)["spec"]
    assert (spec["replicas"], spec["strategy"]["rollingUpdate"]["maxUnavailable"]) == (2, 0)
    assert find("PodDisruptionBudget", deployment)["spec"]["maxUnavailable"] == 1


# Images.


def test_the_images_are_pinned_and_the_same_everywhere() -> None:
    images = {each["name"]: each["image"] for item in deployments() for each in manifests.containers(item)}
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert images["xds"] == images["bootstrap"] == images["authz"] == f"xds-ingress:{version}"
    assert re.fullmatch(r"envoyproxy/envoy:v1\.\d+\.\d+", images["envoy"]), "not distroless: the hook needs bash"


# Components.


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> list[Object]:
    """All components over k8s/."""
    return overlay(tmp_path_factory.mktemp("overlay"))


def test_the_option_grants_the_control_plane_config_maps_for_reading(everything: list[Object]) -> None:
    named = {each["kind"]: each for each in everything if each["metadata"]["name"] == "xds-ingress-config-maps"}
    role, binding = named["ClusterRole"], named["ClusterRoleBinding"]
    assert role["rules"] == [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list", "watch"]}]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"] == find("ClusterRoleBinding", CONTROL_PLANE)["subjects"]
    granted = [rule["resources"] for rule in find("ClusterRole", CONTROL_PLANE)["rules"]]
    assert ["configmaps"] not in granted


def test_the_component_of_layer_4_grants_the_config_maps_that_it_names(everything: list[Object]) -> None:
    control_plane = next(
        each for each in everything if (each["kind"], each["metadata"]["name"]) == ("Deployment", CONTROL_PLANE)
    )
    [xds] = manifests.containers(control_plane)
    given = flags(manifests.arguments(control_plane, xds)[1:])
    named = {given[f"--{protocol}-services-configmap"] for protocol in ("tcp", "udp")}
    made = {each["metadata"]["name"] for each in everything if each["kind"] == "ConfigMap"}
    assert named == {f"{NAMESPACE}/xds-ingress-tcp", f"{NAMESPACE}/xds-ingress-udp"}
    assert {each.partition("/")[2] for each in named} <= made
    [role] = [
        each for each in everything if each["metadata"]["name"] == "xds-ingress-config-maps" and each["kind"] == "Role"
    ]
    assert [(rule["resources"], rule["resourceNames"], rule["verbs"]) for rule in role["rules"]] == [
        (["configmaps"], ["xds-ingress-tcp", "xds-ingress-udp"], ["list", "watch"])
    ]


def test_nobody_claims_a_port_of_the_fleets_pods() -> None:
    reserved = {int(each) for each in serve_flags()["--reserved-ports"].split(",")}
    ports = {
        each["containerPort"] for of in manifests.containers(find("Deployment", FLEET)) for each in of.get("ports", [])
    }
    options = ProxyOptions()
    assert reserved == ports - {options.http_port, options.https_port} | {int(bootstrap_flags()["--admin-port"])}


@pytest.mark.skipif(bool(kustomize_tree.absent()), reason=kustomize_tree.absent())
def test_manifests_are_rendered_from_the_chart() -> None:
    assert [path for path, text in kustomize_tree.texts().items() if path.read_text() != text] == []
