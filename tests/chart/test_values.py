"""Every value has an effect and a description, and a mistake is an error of `helm template` with the value's name."""

import concurrent.futures
import functools
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support import chart, chart_values, gotools
from tests.support.chart_values import Value

pytestmark = gotools.needs("helm")

SETTLED: dict[str, Any] = {"tls": {"mode": "existing"}}
"""No generated keys, so that two renderings are equal."""

CONTEXT: dict[str, dict[str, Any]] = {
    "fleet.service.nodePorts": {"tcp": {"9000": "shop/web:80"}, "udp": {"5353": "dns/dns:53"}},
    "fleet.service.udp": {"udp": {"5353": "dns/dns:53"}, "fleet": {"service": {"udp": {"separate": True}}}},
    "fleet.service.udp.separate": {"fleet": {"service": {"udp": {"separate": False}}}},
    "fleet.autoscaling": {"fleet": {"autoscaling": {"enabled": True}}},
    "fleet.hostPorts": {"fleet": {"hostPorts": {"enabled": True}}},
    "fleet.service.ports.http.nodePort": {"fleet": {"service": {"type": "NodePort"}}},
    "fleet.service.ports.https.nodePort": {"fleet": {"service": {"type": "NodePort"}}},
    "tls.generated": {"tls": {"mode": "generated"}},
    "tls.certManager": {"tls": {"mode": "certManager"}},
    "monitoring.podMonitors": {
        "monitoring": {"podMonitors": {"enabled": True}},
        "networkPolicy": {"metricsFrom": [{"namespaceSelector": {}}]},
    },
    "monitoring.rules": {"monitoring": {"rules": {"enabled": True}}},
    "monitoring.dashboards": {"monitoring": {"dashboards": {"enabled": True}}},
    "controlPlane.serviceAccount.create": {"controlPlane": {"serviceAccount": {"name": "own"}}},
    "fleet.serviceAccount.create": {"fleet": {"serviceAccount": {"name": "own"}}},
    "gatewayAPI.createClass": {"gatewayAPI": {"className": "edge"}},
    "gatewayAPI.addresses": {"gatewayAPI": {"ports": [80]}},
    "networkPolicy.dns": {"networkPolicy": {"backends": [{"podSelector": {}}]}},
}
"""Values without which those below a path have no effect."""

CHANGED: dict[str, Any] = {
    "tcp": {"9000": "shop/web:80"},
    "udp": {"5353": "dns/dns:53"},
    "controlPlane.exposePorts": ["9000-9100=team-a"],
    "controlPlane.reservedPorts": [10250],
    "controlPlane.tcpServicesConfigMap": "ingress-nginx/tcp-services",
    "controlPlane.udpServicesConfigMap": "ingress-nginx/udp-services",
    "fleet.service.extraPorts": [{"name": "smtp", "port": 25, "targetPort": 9125}],
    "fleet.service.nodePorts.tcp": {"9000": 30900},
    "fleet.service.nodePorts.udp": {"5353": 30053},
    "controlPlane.affinity": {"nodeAffinity": {}},
    "controlPlane.defaultTlsSecret": "shop/wildcard",
    "controlPlane.nginxConfigMap": "ingress-nginx/controller",
    "controlPlane.terminationGracePeriodSeconds": 61,
    "gatewayAPI.addresses": ["192.0.2.1"],
    "gatewayAPI.ports": [80, "53/udp"],
    "gatewayAPI.services": "20000-20999",
    "fleet.adminPort": 19901,
    "fleet.affinity": {"nodeAffinity": {}},
    "fleet.autoscaling.behavior": {"scaleDown": {"stabilizationWindowSeconds": 61}},
    "fleet.service.ipFamilies": ["IPv4"],
    "fleet.updateStrategy": {"type": "Recreate"},
    "ingressClass.controller": "example.com/other",
    "ingressClass.create": False,
    "ingressClass.name": "other",
    "networkPolicy.apiServer.ports": [6443],
    "tls.certManager.issuerRef": {"name": "other"},
    "extraObjects": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "extra"}}],
    "controlPlane.podSecurityContext": {"runAsUser": 1000},
    "fleet.podSecurityContext": {"runAsUser": 1000},
    "controlPlane.resources": {"requests": {"cpu": "3"}},
    "fleet.resources": {"requests": {"cpu": "3"}},
    "fleet.bootstrap.resources": {"requests": {"cpu": "3"}},
    "authz.resources": {"requests": {"cpu": "3"}},
    "controlPlane.updateStrategy": {"rollingUpdate": {"maxSurge": 2}},
    "controlPlane.topologySpreadConstraints": [{"maxSkew": 3}],
    "fleet.topologySpreadConstraints": [{"maxSkew": 3}],
    "controlPlane.tolerations": [{"operator": "Exists"}],
    "fleet.tolerations": [{"operator": "Exists"}],
    "tls.mode": "certManager",
    "fleet.kind": "DaemonSet",
    "monitoring.podMonitors.enabled": False,
}
"""Values where a change by their type alone is not valid."""

SHORT_LINES = 5
"""Of an error: two of Helm, and the schema's, which names each step into a value."""

NO_OBJECT: frozenset[str] = frozenset({"tls.generated.validityDays", "tls.generated.caValidityDays"})
"""Values that show in the dates of generated certificates."""


@functools.cache
def tree() -> Value:
    return chart_values.read()


def leaves() -> list[Value]:
    return list(tree().leaves())


def dotted(value: Value) -> str:
    return ".".join(value.path)


def nested(path: tuple[str, ...], content: Any) -> dict[str, Any]:
    """Values with one of them."""
    for key in reversed(path):
        content = {key: content}
    return dict(content)


def context(value: Value) -> dict[str, Any]:
    result = SETTLED
    for path, values in CONTEXT.items():
        if f"{dotted(value)}.".startswith(f"{path}.") and nested(value.path, True) != values:
            result = chart.merged(result, values)
    return result


def changed(value: Value) -> Any:
    """Another content that is valid."""
    if (path := dotted(value)) in CHANGED:
        return CHANGED[path]
    schema, default = value.schema, value.default
    if "enum" in schema:
        return next(each for each in schema["enum"] if each != default and each)
    if isinstance(default, bool):
        return not default
    if isinstance(default, int):
        return default + 1
    if default is None:
        return 30001
    if isinstance(default, list):
        named = "named" in str(schema)
        peers = "peers" in str(schema)
        return [{"name": "changed"}] if named else [{"namespaceSelector": {}}] if peers else ["changed"]
    if isinstance(default, dict):
        return {**default, "example.com/changed": "yes"}
    if "duration" in str(schema):
        return "61m"
    return f"sha256:{'1' * 64}" if "sha256" in str(schema) else "changed"


def in_parallel(work: Any, items: list[Any]) -> list[Any]:
    """Helm is a process for each."""
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, items))


def rendered(values: dict[str, Any]) -> str:
    """The rendering, or the error."""
    try:
        return chart.template(values=values)
    except chart.HelmError as error:
        return f"error: {error}"


@pytest.mark.timeout(600)
def test_every_value_has_an_effect() -> None:
    """A value without an effect is a broken promise."""

    def difference(value: Value) -> str:
        base = rendered(around := context(value))
        assert not base.startswith("error"), f"{dotted(value)}: {base}"
        after = rendered(chart.merged(around, nested(value.path, changed(value))))
        if after.startswith("error"):
            return f"{dotted(value)}: {after}"
        return f"{dotted(value)}: no effect" if after == base else ""

    checked = [each for each in leaves() if dotted(each) not in NO_OBJECT]
    assert len(checked) > 100
    assert not [each for each in in_parallel(difference, checked) if each]


def test_every_value_is_described() -> None:
    table = (chart_values.CHART / "README.md").read_text(encoding="utf-8")
    lacks = [dotted(each) for each in leaves() if f"`{dotted(each)}`" not in table or not each.description]
    assert not lacks


def groups(of: Value) -> Iterator[Value]:
    """Each mapping of values, also the whole."""
    if of.children:
        yield of
        for child in of.children:
            yield from groups(child)


@pytest.mark.timeout(600)
def test_a_misspelt_key_is_an_error_that_names_the_key() -> None:
    """In each group of values."""

    def accepted(group: Value) -> str:
        text = rendered(nested((*group.path, "misspelt"), 1))
        return "" if text.startswith("error") and "misspelt" in text else f"{dotted(group)}: {text[:200]}"

    found = list(groups(tree()))
    assert len(found) > 20
    assert not [each for each in in_parallel(accepted, found) if each]


@pytest.mark.timeout(600)
def test_a_wrong_type_is_an_error_that_names_the_value() -> None:
    def accepted(value: Value) -> str:
        wrong: Any = "text" if not isinstance(value.default, str) else [1]
        text = rendered(nested(value.path, wrong))
        named = all(key in text for key in value.path)
        return "" if text.startswith("error") and named else f"{dotted(value)}: {text[:200]}"

    assert not [each for each in in_parallel(accepted, leaves()) if each]


@pytest.mark.timeout(600)
def test_a_removed_section_is_an_error_that_names_the_section() -> None:
    """`null` removes defaults, and `helm upgrade --reuse-values` lacks sections newer than the release."""

    def accepted(group: Value) -> str:
        text = rendered(nested(group.path, None))
        return "" if f"missing property '{group.path[-1]}'" in text else f"{dotted(group)}: {text[:200]}"

    assert not [each for each in in_parallel(accepted, list(groups(tree()))[1:]) if each]


def test_a_removed_choice_is_an_error_and_a_removed_option_is_none() -> None:
    with pytest.raises(chart.HelmError, match="at '/fleet/image': missing property 'repository'"):
        chart.template(values={"fleet": {"image": {"repository": None}}})
    options = {"priorityClassName": None, "podLabels": None, "tolerations": None}
    fleet = {"service": {"nodePorts": {"tcp": None, "udp": None}, "extraPorts": None}}
    removed = {"commonLabels": None, "tcp": None, "udp": None, "fleet": fleet}
    chart.template(values={**SETTLED, "controlPlane": {**options, "exposePorts": None}, **removed})


def texts(content: Any) -> Iterator[Any]:
    """Keys and values of labels, namespaces and names, which are strings in every object."""
    for key, value in content.items() if isinstance(content, dict) else ():
        if key in {"labels", "matchLabels"}:
            yield from value.values()
        elif key in {"name", "namespace", "secretName", "serviceAccountName", "priorityClassName", "value"}:
            yield value
        else:
            yield from texts(value)
    for each in content if isinstance(content, list) else ():
        yield from texts(each)


def test_names_that_yaml_reads_as_numbers_stay_strings() -> None:
    values = chart.merged(
        {"tls": {"mode": "existing", "existing": {"serverSecret": "1", "clientSecret": "2", "operatorSecret": "3"}}},
        {
            "fullnameOverride": "on",
            "ingressClass": {"name": "4"},
            "controlPlane": {"priorityClassName": "5", "serviceAccount": {"name": "6"}, "watchNamespaces": ["7"]},
            "fleet": {"fullnameOverride": "yes", "serviceAccount": {"name": "8"}},
        },
    )
    found = [each for item in chart.render("--namespace=1e3", values=values, release="42") for each in texts(item)]
    assert {"42", "1e3", "on", "1", "2", "4", "5", "6", "7", "8"} <= {each for each in found if isinstance(each, str)}
    assert not [each for each in found if not isinstance(each, str | dict | list)]


def test_the_name_of_services_begins_with_a_letter() -> None:
    with pytest.raises(chart.HelmError, match="fullnameOverride: set a name"):
        chart.template(release="42")
    chart.template(values={**SETTLED, "fullnameOverride": "edge"}, release="42")


MISTAKES: dict[str, tuple[str, str]] = {
    "tls.mode": ("{tls: {mode: certmanager}}", "mode"),
    "digest": ("{image: {digest: 'sha256:abc'}}", "digest"),
    "digest without algorithm": (f"{{fleet: {{image: {{digest: {'0' * 64}}}}}}}", "digest"),
    "port out of range": ("{fleet: {adminPort: 70000}}", "adminPort"),
    "equal ports": ("{fleet: {adminPort: 9000, statsPort: 9000}}", "fleet.adminPort"),
    "equal ports of the Service": ("{fleet: {service: {ports: {http: {port: 443}}}}}", "fleet.service.ports"),
    "autoscaled DaemonSet": ("{fleet: {kind: DaemonSet, autoscaling: {enabled: true}}}", "fleet.autoscaling.enabled"),
    "autoscaling upside down": (
        "{fleet: {autoscaling: {enabled: true, minReplicas: 9, maxReplicas: 3}}}",
        "fleet.autoscaling.minReplicas",
    ),
    "autoscaling without a target": (
        "{fleet: {autoscaling: {enabled: true, targetCPUUtilizationPercentage: null}}}",
        "fleet.autoscaling",
    ),
    "host network and host ports": (
        "{fleet: {hostNetwork: true, hostPorts: {enabled: true}}}",
        "fleet.hostPorts.enabled",
    ),
    "a drain longer than the grace period": ("{fleet: {drainSeconds: 400}}", "fleet.drainSeconds"),
    "a load balancer's address without one": (
        "{fleet: {service: {type: ClusterIP, loadBalancerIP: 192.0.2.1}}}",
        "fleet.service.loadBalancerIP",
    ),
    "a node port without one": (
        "{fleet: {service: {type: ClusterIP, ports: {http: {nodePort: 30080}}}}}",
        "fleet.service.ports",
    ),
    "an IngressClass without a name": ("{ingressClass: {name: ''}}", "ingressClass.create"),
    "a default class that is not made": ("{ingressClass: {create: false, default: true}}", "ingressClass.default"),
    "an account that is not made": (
        "{controlPlane: {serviceAccount: {create: false}}}",
        "controlPlane.serviceAccount.name",
    ),
    "one name for both": (
        "{fullnameOverride: edge, fleet: {fullnameOverride: edge}}",
        "fleet.fullnameOverride",
    ),
    "a PodMonitor whose Prometheus is shut out": (
        "{monitoring: {podMonitors: {enabled: true}}}",
        "networkPolicy.metricsFrom",
    ),
    "a ConfigMap without a namespace": ("{controlPlane: {nginxConfigMap: controller}}", "nginxConfigMap"),
    "a kind of workload that there is not": ("{fleet: {kind: StatefulSet}}", "kind"),
    "no days": ("{tls: {generated: {validityDays: 0}}}", "validityDays"),
    "a duration without a unit": ("{tls: {mode: certManager, certManager: {duration: '90'}}}", "duration"),
    "a label that is no text": ("{commonLabels: {cost: 42}}", "commonLabels"),
    "a TCP port that is none": ("{tcp: {web: 'shop/web:80'}}", 'tcp: "web"'),
    "a UDP port too high": ("{udp: {'70000': 'dns/dns:53'}}", 'udp: "70000"'),
    "an entry without a Service's port": ("{tcp: {'9000': shop/web}}", "tcp.9000:"),
    "an entry without a namespace": ("{tcp: {'9000': 'web:80'}}", "tcp.9000:"),
    "an unknown word of an entry": ("{tcp: {'9000': 'shop/web:80:PROXI'}}", "tcp.9000:"),
    "an empty word of an entry": ("{tcp: {'9000': 'shop/web:80:PROXY:'}}", "tcp.9000:"),
    "PROXY protocol for UDP": ("{udp: {'5353': 'dns/dns:53:PROXY'}}", "udp.5353:"),
    "a TCP port of Envoy's own": ("{tcp: {'9901': 'shop/web:80'}}", "tcp.9901:"),
    "a TCP port of HTTP's": ("{tcp: {'8443': 'shop/web:80'}}", "tcp.8443:"),
    "a UDP port of HTTP/3": ("{udp: {'8443': 'dns/dns:53'}}", "udp.8443:"),
    "a reserved port": ("{controlPlane: {reservedPorts: [9000]}, tcp: {'9000': 'shop/web:80'}}", "tcp.9000:"),
    "a port of the node twice": ("{fleet: {hostPorts: {enabled: true}}, tcp: {'80': 'shop/web:80'}}", "tcp.80:"),
    "a port of the Service twice": ("{tcp: {'443': 'shop/web:80'}}", "fleet.service"),
    "a name of the Service's ports twice": (
        "{fleet: {service: {extraPorts: [{name: http, port: 9000}]}}}",
        "fleet.service.extraPorts",
    ),
    "a name of a port too long": (
        "{fleet: {service: {extraPorts: [{name: longer-than-fifteen, port: 9000}]}}}",
        "extraPorts",
    ),
    "entries in two places": (
        "{tcp: {'9000': 'shop/web:80'}, controlPlane: {tcpServicesConfigMap: shop/tcp}}",
        "controlPlane.tcpServicesConfigMap",
    ),
    "a ConfigMap of ports without a namespace": ("{controlPlane: {udpServicesConfigMap: udp}}", "udpServicesConfigMap"),
    "a range upside down": ("{controlPlane: {exposePorts: [9100-9000=team-a]}}", "controlPlane.exposePorts"),
    "a range without a namespace": ("{controlPlane: {exposePorts: [9000-9100]}}", "exposePorts"),
    "a node port of no port": (
        "{fleet: {service: {nodePorts: {tcp: {'9000': 30900}}}}}",
        "fleet.service.nodePorts.tcp",
    ),
    "a node port of layer 4 without one": (
        "{tcp: {'9000': 'shop/web:80'}, fleet: {service: {type: ClusterIP, nodePorts: {tcp: {'9000': 30900}}}}}",
        "fleet.service",
    ),
    "a second Service without a load balancer": (
        "{udp: {'53': 'dns/dns:53'}, fleet: {service: {type: NodePort, udp: {separate: true}}}}",
        "fleet.service.udp.separate",
    ),
    "a flag of layer 4 past its value": (
        "{controlPlane: {extraArgs: [--expose-ports=9000=shop]}}",
        "controlPlane.exposePorts",
    ),
    "a GatewayClass without a name": ("{gatewayAPI: {createClass: true}}", "gatewayAPI.className"),
    "addresses without the right to Gateways": (
        "{gatewayAPI: {enabled: false, addresses: [192.0.2.1]}}",
        "gatewayAPI.enabled",
    ),
    "addresses of two kinds": (
        "{gatewayAPI: {addresses: [192.0.2.1], ports: [80], services: 20000-20999}}",
        "gatewayAPI.services",
    ),
    "addresses whose ports are shut": ("{gatewayAPI: {addresses: [192.0.2.1]}}", "gatewayAPI.ports"),
    "a host name for an address": ("{gatewayAPI: {addresses: [edge.example.com], ports: [80]}}", "addresses"),
    "target ports upside down": ("{gatewayAPI: {services: 20999-20000}}", "gatewayAPI.services"),
    "target ports of Envoy's own": ("{gatewayAPI: {services: 9000-9999}}", "gatewayAPI.services: port 9901"),
    "Services of Gateways without the fleet's": (
        "{fleet: {service: {enabled: false}}, gatewayAPI: {services: 20000-20999}}",
        "controlPlane.publishService",
    ),
    "Services of Gateways that are not watched": (
        "{controlPlane: {watchNamespaces: [shop]}, gatewayAPI: {services: 20000-20999}}",
        "controlPlane.watchNamespaces",
    ),
    "a flag of Gateways past its value": (
        "{controlPlane: {extraArgs: [--gateway-address=192.0.2.1]}}",
        "gatewayAPI.addresses",
    ),
    "a namespace that is none": ("{controlPlane: {watchNamespaces: [Shop]}}", "watchNamespaces"),
}
"""Values, and the word that the error must have."""


@pytest.mark.parametrize("case", MISTAKES)
def test_a_mistake_is_a_short_error_that_names_the_value(case: str) -> None:
    values, named = MISTAKES[case]
    with pytest.raises(chart.HelmError) as raised:
        chart.template(values=yaml.safe_load(values))
    lines = [
        line for line in str(raised.value).splitlines() if named in line or all(key in line for key in named.split("."))
    ]
    assert lines, raised.value
    assert len(str(raised.value).splitlines()) <= SHORT_LINES


def test_the_package_renders_as_the_folder_does(tmp_path: Path) -> None:
    """A file that templates read and .helmignore names would be missing in the package only."""
    chart.helm("package", str(chart_values.CHART), f"--destination={tmp_path}")
    [package] = tmp_path.glob("*.tgz")
    with tarfile.open(package) as content:
        names = content.getnames()
    assert "xds-ingress/values.schema.json" in names
    assert "xds-ingress/README.md.in" not in names
    values = chart.merged(SETTLED, {"monitoring": {"rules": {"enabled": True}, "dashboards": {"enabled": True}}})
    assert chart.template(values=values, chart=package) == chart.template(values=values)
