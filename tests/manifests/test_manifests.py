"""The manifests of k8s/ and the certificates without a cluster: agreement with each other and with the
command line, and confined Pods.

Excludes: the API server's view, and whether the rights suffice (tests/cluster/test_manifests.py); the drain hook
(tests/e2e/test_drain.py); the image (tests/release).
"""

import importlib
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import click
import pytest
import yaml
from click.testing import CliRunner
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.support.envoy import DEPLOYED
from tests.support.manifests import K8S, Object, build, find, needs_kubectl
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
    spec: Object = find("Deployment", deployment)["spec"]["template"]["spec"]
    return spec


def containers(pod: Object) -> list[Object]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def container(deployment: str, name: str) -> Object:
    [found] = [each for each in containers(pod_of(deployment)) if each["name"] == name]
    return found


def port(of: Object, name: str) -> int:
    return int(next(each["containerPort"] for each in of["ports"] if each["name"] == name))


def environment(of: Object) -> dict[str, str]:
    return {each["name"]: each.get("value", "") for each in of.get("env", [])}


def flags(of: Object, arguments: list[str]) -> dict[str, str]:
    """`--flag=value` and `--flag` by name, with Kubernetes' values for $(NAME)."""
    expanded = [re.sub(r"\$\((\w+)\)", "envoy-abc", each) for each in arguments]
    assert all(each.startswith("--") for each in expanded)
    return {name: value for name, _, value in (each.partition("=") for each in expanded)}


def serve_flags() -> dict[str, str]:
    xds = container("xds-ingress", "xds")
    name, *arguments = xds["args"]
    assert name == "serve"
    return flags(xds, arguments)


def bootstrap_flags() -> dict[str, str]:
    init = container("envoy", "bootstrap")
    return flags(init, init["args"])


def selects(selector: Object, labels: Object) -> bool:
    return selector.items() <= labels.items()


# The command line.


def test_the_flags_of_serve_exist() -> None:
    known = {flag for parameter in command("serve").params for flag in parameter.opts}
    assert serve_flags().keys() <= known


def test_environment_variables_are_those_of_flags() -> None:
    parameters = [*command("serve").params, *command("proxies").params]
    known = {parameter.envvar for parameter in parameters if isinstance(parameter, click.Option)}
    assert environment(container("xds-ingress", "xds")).keys() <= known


def test_mutual_tls_is_complete_at_server_and_proxy() -> None:
    files = {f"{TLS}/tls.crt", f"{TLS}/tls.key", f"{TLS}/ca.crt"}
    server = environment(container("xds-ingress", "xds"))
    assert {server[f"XDS_TLS_{name}"] for name in ("CERT", "KEY", "CLIENT_CA")} == files
    assert {bootstrap_flags()[f"--tls-{name}"] for name in ("cert", "key", "ca")} == files
    for deployment, secret in (("xds-ingress", "xds-server-tls"), ("envoy", "xds-client-tls")):
        volumes = {each["name"]: each for each in pod_of(deployment)["volumes"]}
        assert volumes["tls"]["secret"]["secretName"] == secret
        for each in (each for each in containers(pod_of(deployment)) if each["name"] != "authz"):
            [mount] = [each for each in each["volumeMounts"] if each["name"] == "tls"]
            assert (mount["mountPath"], mount["readOnly"], "subPath" in mount) == (TLS, True, False)


def test_the_bootstrap_is_written(tmp_path: Path) -> None:
    """With the command of the init container, but for the folder."""
    given = {**bootstrap_flags(), "--sds-dir": str(tmp_path)}
    result = CliRunner().invoke(bootstrap, [f"{name}={value}" for name, value in given.items()])
    assert result.exit_code == 0, result.output
    written = yaml.safe_load(result.output)
    assert written["node"] == {"id": "envoy-abc", "cluster": "xds-ingress"}
    init, envoy = container("envoy", "bootstrap"), container("envoy", "envoy")
    script, [output] = init["command"][2], re.findall(r"> (\S+)", init["command"][2])
    assert script.startswith('exec xds bootstrap "$@" ')
    assert envoy["args"][envoy["args"].index("--config-path") + 1] == output
    assert bootstrap_flags()["--sds-dir"] == str(Path(output).parent)


def test_only_certificates_of_control_plane_and_operators_may_use_the_debug_api() -> None:
    [*_, server_name] = [each.get("value") for each in container("xds-ingress", "xds")["env"] if "NAME" in each["name"]]
    arguments = container("xds-ingress", "xds")["args"]
    operators = [each.partition("=")[2] for each in arguments if each.startswith("--tls-operators=")]
    assert operators == [server_name, "xds-operator"]
    assert bootstrap_flags()["--node-cluster"] not in operators


def test_the_role_of_operators_is_what_kubectl_xds_does() -> None:
    [role] = yaml.safe_load_all((K8S / "operator-role.yaml").read_text())
    rules = {tuple(each["resources"]): (each["verbs"], each.get("resourceNames")) for each in role["rules"]}
    assert rules == {
        ("pods",): (["get", "list"], None),
        ("pods/portforward",): (["get", "create"], None),
        ("secrets",): (["get"], [OPERATOR_SECRET]),
    }


def test_the_bootstrap_bounds_envoy_by_the_limit_of_its_container() -> None:
    [max_memory] = [each for each in container("envoy", "bootstrap")["env"] if each["name"] == "XDS_MAX_MEMORY"]
    assert max_memory["valueFrom"] == {"resourceFieldRef": {"containerName": "envoy", "resource": "limits.memory"}}
    assert "memory" in container("envoy", "envoy")["resources"]["limits"]
    assert "XDS_MAX_MEMORY" in {each.envvar for each in bootstrap.params if isinstance(each, click.Option)}


def test_envoy_runs_as_in_the_tests() -> None:
    assert " ".join(DEPLOYED[:2]) in " ".join(container("envoy", "envoy")["args"])
    assert set(DEPLOYED) <= set(container("envoy", "envoy")["args"])


# Ports and paths.


def test_the_ports_of_the_control_plane() -> None:
    xds, given = container("xds-ingress", "xds"), serve_flags()
    assert given["--listen"] == f"[::]:{port(xds, 'ads')}"
    assert given["--admin"] == f"[::]:{port(xds, 'admin')}"
    assert given["--listener-address"] == "::"
    [service] = find("Service", "xds-ingress")["spec"]["ports"]
    assert service["targetPort"] == "ads"
    assert bootstrap_flags()["--xds"] == f"xds-ingress.xds-ingress.svc:{service['port']}"


def test_the_ports_of_the_fleet() -> None:
    envoy, options = container("envoy", "envoy"), ProxyOptions()
    assert (port(envoy, "http"), port(envoy, "https")) == (options.http_port, options.https_port)
    assert port(envoy, "stats") == int(bootstrap_flags()["--stats-port"])
    ports = {each["port"]: each["targetPort"] for each in find("Service", "envoy")["spec"]["ports"]}
    assert ports == {80: "http", 443: "https"}
    *_, admin = envoy["lifecycle"]["preStop"]["exec"]["command"]
    assert admin == bootstrap_flags()["--admin-port"]


def test_probes_ask_for_existing_paths() -> None:
    source = (ROOT / "xds/process/admin.py").read_text()
    for probe in ("readinessProbe", "livenessProbe"):
        asked = container("xds-ingress", "xds")[probe]["httpGet"]
        assert asked["port"] == "admin"
        assert f'"{asked["path"]}": self._' in source
    for probe in ("startupProbe", "livenessProbe"):
        asked = container("envoy", "authz")[probe]["httpGet"]
        assert asked["port"] == "authz-admin"
        assert f'"{asked["path"]}": self._' in source
    asked = container("envoy", "envoy")["readinessProbe"]["httpGet"]
    assert asked["port"] == "stats"
    assert asked["path"] in STATS_PATHS


def test_envoy_asks_the_authorizer_of_its_own_pod() -> None:
    pod, authz = pod_of("envoy"), container("envoy", "authz")
    name, *arguments = authz["args"]
    given = flags(authz, arguments)
    assert name == "authz"
    assert given.keys() <= {flag for parameter in command("authz").params for flag in parameter.opts}
    assert given["--listen"] == serve_flags()["--authz"]
    assert int(given["--admin"].rpartition(":")[2]) == port(authz, "authz-admin")
    socket = Path(given["--listen"].removeprefix("unix:"))
    for each in (authz, container("envoy", "envoy")):
        [mount] = [mount for mount in each["volumeMounts"] if mount["name"] == "authz"]
        assert mount["mountPath"] == str(socket.parent)
        assert "runAsUser" not in each["securityContext"], "the socket is for one user"
    [volume] = [each for each in pod["volumes"] if each["name"] == "authz"]
    assert volume["emptyDir"]["medium"] == "Memory"


def test_the_authorizer_outlives_envoy() -> None:
    """A sidecar of Kubernetes starts before the containers, and is stopped after the last of them."""
    [first, *_] = pod_of("envoy")["initContainers"]
    assert (first["name"], first["restartPolicy"]) == ("authz", "Always")
    assert "readinessProbe" not in first
    assert "cpu" not in first["resources"]["limits"]


def test_the_hook_ends_before_the_grace_period() -> None:
    pod, hook = pod_of("envoy"), container("envoy", "envoy")["lifecycle"]["preStop"]["exec"]["command"]
    shell, script, seconds, _ = hook
    assert (shell, Path(script).name) == ("bash", "drain.sh")
    assert int(seconds) < pod["terminationGracePeriodSeconds"] / 2
    [volume] = [each for each in pod["volumes"] if each["name"] == "drain"]
    [config] = [each for each in build() if each["kind"] == "ConfigMap"]
    assert config["metadata"]["name"] == volume["configMap"]["name"]
    assert config["data"] == {"drain.sh": (K8S / "envoy" / "drain.sh").read_text()}


# References between objects.


@pytest.mark.parametrize("deployment", ["xds-ingress", "envoy"])
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


def test_only_the_fleet_and_other_replicas_reach_ads() -> None:
    policy = find("NetworkPolicy", "xds-ingress")["spec"]
    labels = {each["metadata"]["name"]: each["spec"]["template"]["metadata"]["labels"] for each in deployments()}
    assert selects(policy["podSelector"]["matchLabels"], labels["xds-ingress"])
    assert policy["policyTypes"] == ["Ingress"]
    to_ads = [rule for rule in policy["ingress"] if {"port": "ads"} in rule["ports"]]
    allowed = []
    for [peer] in (rule["from"] for rule in to_ads):
        assert peer.keys() == {"podSelector"}, "of the same namespace"
        selector = peer["podSelector"]["matchLabels"]
        allowed += [name for name, each in labels.items() if selects(selector, each)]
    assert allowed == ["envoy", "xds-ingress"]
    assert all(rule.keys() == {"from", "ports"} for rule in policy["ingress"])


def test_replicas_find_each_other_by_a_headless_service_ready_or_not() -> None:
    name, _, number = serve_flags()["--peers"].partition(":")
    spec = find("Service", name)["spec"]
    assert (spec["clusterIP"], spec["publishNotReadyAddresses"]) == ("None", True)
    assert spec["selector"] == find("Service", "xds-ingress")["spec"]["selector"]
    [ads] = spec["ports"]
    assert (str(ads["port"]), ads["targetPort"]) == (number, "ads")
    assert int(number) == port(container("xds-ingress", "xds"), "ads"), "no proxy of the Service is between"


def test_the_published_service_is_the_fleets() -> None:
    namespace, _, name = serve_flags()["--publish-service"].partition("/")
    service = find("Service", name)
    assert service["metadata"]["namespace"] == namespace
    assert (service["spec"]["type"], service["spec"]["externalTrafficPolicy"]) == ("LoadBalancer", "Local")


def test_the_ingress_class_is_ours() -> None:
    [ingress_class] = [each for each in build() if each["kind"] == "IngressClass"]
    assert ingress_class["spec"]["controller"] == "xds-ingress.dev/controller"
    default = next(each.default for each in command("serve").params if "--ingress-class" in each.opts)
    assert ingress_class["metadata"]["name"] == default


def test_namespaced_objects_have_a_namespace() -> None:
    without = {"Namespace", "ClusterRole", "ClusterRoleBinding", "IngressClass"}
    for each in build():
        assert each["metadata"].get("namespace") == (None if each["kind"] in without else "xds-ingress"), each["kind"]


def test_the_fleet_has_no_rights() -> None:
    pod = pod_of("envoy")
    assert pod["automountServiceAccountToken"] is False
    assert find("ServiceAccount", pod["serviceAccountName"])["automountServiceAccountToken"] is False
    bindings = [each for each in build() if each["kind"].endswith("RoleBinding")]
    subjects = {(each["kind"], each["name"], each["namespace"]) for binding in bindings for each in binding["subjects"]}
    assert subjects == {("ServiceAccount", "xds-ingress", "xds-ingress")}


def test_no_webhook_listens() -> None:
    """CVE-2025-1974 and CVE-2026-24514 are of ingress-nginx's: docs/security.md."""
    assert [each["kind"] for each in build() if "Webhook" in each["kind"]] == []
    listens = {
        port["name"]
        for each in deployments()
        for of in containers(each["spec"]["template"]["spec"])
        for port in of.get("ports", [])
    }
    assert not any("webhook" in name for name in listens)


# Confinement: https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted, and a root that is
# read only. tests/cluster asks the API server too.


@pytest.mark.parametrize("deployment", ["xds-ingress", "envoy"])
def test_pods_are_confined(deployment: str) -> None:
    pod = pod_of(deployment)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for each in containers(pod):
        assert each["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert {"cpu", "memory"} == each["resources"]["requests"].keys()
        assert "memory" in each["resources"]["limits"]


@pytest.mark.parametrize("deployment", ["xds-ingress", "envoy"])
def test_a_disruption_leaves_a_replica(deployment: str) -> None:
    spec = find("Deployment", deployment)["spec"]
    assert (spec["replicas"], spec["strategy"]["rollingUpdate"]["maxUnavailable"]) == (2, 0)
    assert find("PodDisruptionBudget", deployment)["spec"]["maxUnavailable"] == 1


# Images.


def test_the_images_are_pinned_and_the_same_everywhere() -> None:
    images = {
        each["name"]: each["image"] for item in deployments() for each in containers(pod_of(item["metadata"]["name"]))
    }
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert images["xds"] == images["bootstrap"] == images["authz"] == f"xds-ingress:{version}"
    assert re.fullmatch(r"envoyproxy/envoy:v1\.\d+\.\d+", images["envoy"]), "not distroless: the hook needs bash"


# Certificates.


def subject_names(certificate: x509.Certificate) -> list[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return names.get_values_for_type(x509.DNSName)


@pytest.fixture
def made(tmp_path: Path) -> dict[str, x509.Certificate]:
    """The output of k8s/certificates.sh, with a kubectl that applies nothing."""
    if not shutil.which("openssl"):
        pytest.skip("no openssl: apt-get install openssl")
    kubectl = tmp_path / "bin" / "kubectl"
    kubectl.parent.mkdir()
    kubectl.write_text(f'#!/bin/sh\necho "$*" >> {tmp_path}/calls\n')
    kubectl.chmod(0o755)
    path = {**os.environ, "PATH": f"{kubectl.parent}:{os.environ['PATH']}"}
    subprocess.run([K8S / "certificates.sh", tmp_path / "made"], check=True, capture_output=True, env=path)
    calls = (tmp_path / "calls").read_text()
    assert all(
        f"secret generic {name} --namespace xds-ingress" in calls
        for name in ("xds-server-tls", "xds-client-tls", "xds-operator-tls")
    )
    assert (tmp_path / "made" / "ca.key").stat().st_mode & 0o077 == 0
    pem = {name: (tmp_path / "made" / f"{name}.crt").read_bytes() for name in ("ca", "server", "client", "operator")}
    return {name: x509.load_pem_x509_certificate(content) for name, content in pem.items()}


def test_certificates_name_the_service_and_the_fleet(made: dict[str, x509.Certificate]) -> None:
    assert subject_names(made["server"]) == [bootstrap_flags()["--xds"].partition(":")[0]]
    assert subject_names(made["client"]) == [bootstrap_flags()["--node-cluster"]]
    assert subject_names(made["operator"]) == ["xds-operator"]
    for name in ("server", "client", "operator"):
        made[name].verify_directly_issued_by(made["ca"])
        usage = made[name].extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert ExtendedKeyUsageOID.CLIENT_AUTH in usage
        assert (ExtendedKeyUsageOID.SERVER_AUTH in usage) == (name == "server")


def test_cert_manager_makes_the_same(made: dict[str, x509.Certificate]) -> None:
    for name in ("server", "client", "operator"):
        spec = find("Certificate", f"xds-{name}", K8S / "cert-manager")["spec"]
        assert spec["secretName"] == f"xds-{name}-tls"
        assert spec["dnsNames"] == subject_names(made[name])
        assert ("server auth" in spec["usages"], "client auth" in spec["usages"]) == (name == "server", True)


def test_the_option_grants_the_control_plane_config_maps_for_reading() -> None:
    folder = K8S / "config-maps"
    role, binding = (
        find("ClusterRole", "xds-ingress-config-maps", folder),
        find("ClusterRoleBinding", "xds-ingress-config-maps", folder),
    )
    assert role["rules"] == [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list", "watch"]}]
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"] == find("ClusterRoleBinding", "xds-ingress")["subjects"]
    granted = [rule["resources"] for rule in find("ClusterRole", "xds-ingress")["rules"]]
    assert ["configmaps"] not in granted
