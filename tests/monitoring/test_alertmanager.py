"""The example of Alertmanager's configuration: amtool accepts the file and finds the receivers, and in a real
Alertmanager causes mute consequences.
"""

import json
import re
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.error import URLError
from urllib.request import Request, urlopen

import pytest
import yaml

from tests.support.alert_cases import alerts
from tests.support.debian import needs, program
from tests.support.envoy import free_port
from tests.support.manifests import K8S
from tests.support.waiting import WAIT_LIMIT_SECONDS

pytestmark = [pytest.mark.monitoring, needs("amtool", "prometheus-alertmanager")]

CONFIG = K8S / "monitoring" / "alertmanager.yaml"

Labels = Mapping[str, str]


def amtool(*arguments: str | Path) -> str:
    done = subprocess.run([program("amtool"), *map(str, arguments)], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_configuration_is_valid() -> None:
    assert "SUCCESS" in amtool("check-config", CONFIG)


@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        ({"alertname": "XdsControlPlaneDown", "severity": "page"}, "pager"),
        ({"alertname": "XdsNoLeader", "severity": "ticket"}, "tickets"),
        ({"alertname": "XdsIngressErrorsFastBurn", "severity": "page", "ingress_namespace": "shop"}, "shop-pager"),
        ({"alertname": "XdsIngressLatencySlowBurn", "severity": "ticket", "ingress_namespace": "shop"}, "shop"),
        ({"alertname": "XdsIngressErrorsFastBurn", "severity": "page", "ingress_namespace": "other"}, "pager"),
        ({"alertname": "XdsIngressErrorsSlowBurn", "severity": "ticket", "ingress_namespace": "other"}, "tickets"),
        ({"alertname": "XdsServedCertificateExpired", "severity": "page", "secret_namespace": "shop"}, "pager"),
    ],
    ids=lambda value: value["alertname"] if isinstance(value, dict) else value,
)
def test_an_alert_goes_to(labels: Labels, receiver: str) -> None:
    pairs = [f"{name}={value}" for name, value in labels.items()]
    found = amtool("config", "routes", "test", f"--config.file={CONFIG}", *pairs)
    assert found.strip() == receiver


def test_rules_of_inhibition_name_alerts_that_exist() -> None:
    """A misspelt name mutes nothing, in silence."""
    rules = yaml.safe_load(CONFIG.read_text())["inhibit_rules"]
    for matcher in (each for rule in rules for each in (*rule["source_matchers"], *rule["target_matchers"])):
        if match := re.fullmatch(r'alertname=~?"(.+)"', matcher):
            for pattern in re.split(r"\|(?![^(]*\))", match[1]):
                assert any(re.fullmatch(pattern, name) for name in alerts()), pattern


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a real one, with the example as its configuration."""
    folder = tmp_path_factory.mktemp("alertmanager")
    address = f"127.0.0.1:{free_port()}"
    flags = [f"--config.file={CONFIG}", f"--storage.path={folder}", f"--web.listen-address={address}"]
    with (folder / "log").open("w") as log:
        command = [program("prometheus-alertmanager"), *flags, "--cluster.listen-address="]
        with subprocess.Popen(command, stdout=log, stderr=log) as process:
            try:
                _wait_until_ready(f"http://{address}", process)
                yield f"http://{address}"
            finally:
                process.terminate()


def _wait_until_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    limit = time.monotonic() + WAIT_LIMIT_SECONDS
    while time.monotonic() < limit and process.poll() is None:
        try:
            with urlopen(f"{url}/-/ready", timeout=5):
                return
        except URLError:
            time.sleep(0.05)
    raise AssertionError("Alertmanager does not become ready")


def states(url: str, *alerts: Labels) -> dict[str, str]:
    """`active` or `suppressed` by alert, once Alertmanager knows every alert. The alerts end afterwards."""
    _send(url, [{"labels": labels} for labels in alerts])
    limit = time.monotonic() + WAIT_LIMIT_SECONDS
    found: dict[str, str] = {}
    while time.monotonic() < limit and (len(found) < len(alerts) or "unprocessed" in found.values()):
        time.sleep(0.05)
        with urlopen(f"{url}/api/v2/alerts", timeout=10) as response:
            found = {each["labels"]["alertname"]: each["status"]["state"] for each in json.load(response)}
    _send(url, [{"labels": labels, "startsAt": LONG_AGO, "endsAt": LONG_AGO} for labels in alerts])
    return found


LONG_AGO = "2020-01-01T00:00:00Z"


def _send(url: str, alerts: Sequence[Mapping[str, object]]) -> None:
    headers = {"Content-Type": "application/json"}
    with urlopen(Request(f"{url}/api/v2/alerts", json.dumps(alerts).encode(), headers), timeout=10):
        pass


ENVOY = {"namespace": "xds-ingress", "pod": "envoy-1"}
REPLICA = {"namespace": "xds-ingress", "pod": "cp-1"}
INGRESS = {"namespace": "xds-ingress", "ingress_namespace": "shop", "ingress": "shop/web"}


@pytest.mark.parametrize(
    ("cause", "labels", "consequence", "its_labels"),
    [
        ("XdsControlPlaneDown", {"namespace": "xds-ingress"}, "XdsNoProxyConnected", {"namespace": "xds-ingress"}),
        ("XdsControlPlaneDown", {"namespace": "xds-ingress"}, "XdsControlPlaneReplicaDown", REPLICA),
        ("XdsControlPlaneDown", {"namespace": "xds-ingress"}, "XdsProxiesStuck", {"namespace": "xds-ingress"}),
        ("XdsControlPlaneDown", {"job": "xds-ingress"}, "XdsEnvoyNotConnected", ENVOY),
        ("XdsFleetDown", {"namespace": "xds-ingress"}, "XdsEnvoyDown", ENVOY),
        ("XdsFleetDown", {"namespace": "xds-ingress"}, "XdsNoProxyConnected", {"namespace": "xds-ingress"}),
        ("XdsEnvoyDown", ENVOY, "XdsAuthzDown", ENVOY),
        ("XdsNoProxyConnected", {"namespace": "xds-ingress"}, "XdsEnvoyNotConnected", ENVOY),
        ("XdsSourceUnreachable", REPLICA, "XdsWatchBehind", REPLICA | {"kind": "Secret"}),
        ("XdsSourceUnreachable", REPLICA, "XdsNoLeader", {"namespace": "xds-ingress"}),
        ("XdsProxiesStuck", {"namespace": "xds-ingress"}, "XdsProxiesBehind", {"namespace": "xds-ingress"}),
        ("XdsIngressErrorsFastBurn", INGRESS, "XdsIngressErrorsSlowBurn", INGRESS),
        ("XdsIngressLatencyFastBurn", INGRESS, "XdsIngressLatencySlowBurn", INGRESS),
    ],
)
def test_a_cause_mutes_its_consequence_and_nothing_else(
    alertmanager: str, cause: str, labels: Labels, consequence: str, its_labels: Labels
) -> None:
    unrelated = {"alertname": "XdsServedCertificateExpired", "namespace": "xds-ingress"}
    source, target = {"alertname": cause, **labels}, {"alertname": consequence, **its_labels}
    found = states(alertmanager, source, target, unrelated)
    assert found == {cause: "active", consequence: "suppressed", "XdsServedCertificateExpired": "active"}


def test_a_consequence_elsewhere_is_not_muted(alertmanager: str) -> None:
    source = {"alertname": "XdsFleetDown", "namespace": "internal"}
    target = {"alertname": "XdsEnvoyDown", "namespace": "external", "pod": "envoy-1"}
    assert states(alertmanager, source, target) == {"XdsFleetDown": "active", "XdsEnvoyDown": "active"}
