"""Verdicts and surprises of TCP and UDP ports, and of flags about them.

The answers of ingress-nginx are those of release 1.15.1, or, where no trial was possible, of its source.
"""

import io
from typing import Any

import pytest

from tests.migrate.report_of import config_map, data, deployment, ingress, text_of
from xds.cli.main import run
from xds.cli.migration.judging import Wish

FLAGS = ("--tcp-services-configmap=$(POD_NAMESPACE)/tcp", "--udp-services-configmap=$(POD_NAMESPACE)/udp")


def service(name: str, *ports: dict[str, Any], namespace: str = "db", **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"clusterIP": "192.0.2.1", "ports": list(ports), **spec},
    }


PG = service("pg", {"port": 5432, "name": "sql"})
DNS = service("dns", {"port": 53, "name": "dns", "protocol": "UDP"}, {"port": 53, "name": "dns-tcp"})
OUTSIDE = service("outside", {"port": 443}, type="ExternalName", externalName="db.example.com")


def entries(*documents: dict[str, Any], tcp: dict[str, str] | None = None, **wish: Any) -> dict[str, dict[str, Any]]:
    found = data(*documents, deployment(*FLAGS), {**config_map("tcp"), "data": tcp or {}}, wish=Wish(**wish))
    return dict(found["ports"][0]["entries"])


@pytest.mark.parametrize(
    ("key", "value", "verdict", "surprises"),
    [
        ("9000", "db/pg:5432", "exact", []),
        ("9000", "db/pg:sql", "exact", []),
        ("09016", "db/pg:5432", "exact", []),
        ("9000", "db/pg:5432:PROXY", "exact", []),
        ("9000", "db/pg:5432::proxy", "exact", []),
        ("9000", "db/pg:5432:PROXY:PROXY", "exact", ["proxy-header-names-balancer"]),
        ("9000", "db/pg:5432:BAD", "exact", []),
        ("9000", "db/pg:5432::PROXY_V2", "approximate", []),
        ("9000", "db/pg:5432: PROXY", "approximate", []),
        ("9000", "db/pg:5432:PROXY:PROXY:x", "refused", []),
        ("9000", "db/pg:80", "exact", []),
        ("9000", "db/gone:80", "exact", []),
        ("9000", "db/dns:dns", "exact", []),
        ("9000", "pg:5432", "exact", []),
        ("9000", "", "exact", []),
        ("sql", "db/pg:5432", "exact", []),
        ("9000", " db/pg:5432", "approximate", ["port-opens"]),
        ("8181", "db/pg:5432", "approximate", ["port-opens"]),
        ("8080", "db/pg:5432", "refused", []),
        ("9901", "db/pg:5432", "refused", []),
        ("70000", "db/pg:5432", "exact", ["port-blocks-nginx"]),
        ("-5", "db/pg:5432", "exact", ["port-blocks-nginx"]),
        ("9000", "db/outside:443", "exact", []),
    ],
)
def test_an_entry_has_the_verdict_of_both_controllers(key: str, value: str, verdict: str, surprises: list[str]) -> None:
    found = entries(PG, DNS, OUTSIDE, tcp={key: value, "9100": "db/pg:5432"})
    assert (found[key]["verdict"], list(found[key]["surprises"])) == (verdict, surprises)
    assert found[key]["text"] or verdict == "exact"
    assert found["9100"]["verdict"] == "exact"
    assert found["9100"]["text"] == ""


def test_udp_entries_are_judged_by_the_services_ports_of_udp() -> None:
    found = data(DNS, PG, deployment(*FLAGS), {**config_map("udp"), "data": {"53": "db/dns:dns", "54": "db/pg:sql"}})
    [tcp, udp] = found["ports"]
    assert (tcp["judged"], udp["judged"], udp["protocol"]) == (False, True, "udp")
    assert [(each["verdict"], each["served_today"]) for each in udp["entries"].values()] == [
        ("exact", True),
        ("exact", False),
    ]
    assert "udp-sessions" in [each["id"] for each in found["general"]]


def test_services_that_the_input_lacks_are_taken_for_good() -> None:
    found = entries(ingress(service="s"), tcp={"9000": "db/pg:5432", "9001": "db/pg:sql"})
    assert [each["verdict"] for each in found.values()] == ["exact", "exact"]


def test_with_real_ip_the_header_names_the_client_in_both() -> None:
    named = config_map(enable_real_ip="true", proxy_real_ip_cidr="10.0.0.0/8")
    assert entries(PG, named, tcp={"1": "db/pg:sql:PROXY:PROXY"})["1"]["surprises"] == {}


def test_flags_of_ports_and_passthrough_are_taken_over() -> None:
    found = data(
        OUTSIDE, deployment(*FLAGS, "--enable-ssl-passthrough"), {**config_map("tcp"), "data": {"1": "db/outside:443"}}
    )
    command = found["command"]
    assert command[command.index("--tcp-services-configmap") + 1] == "ingress-nginx/tcp"
    assert command[command.index("--udp-services-configmap") + 1] == "ingress-nginx/udp"
    assert "--enable-ssl-passthrough" in command
    assert "--allow-external-name" in command
    assert {each["verdict"] for each in found["controller"]["flags"].values()} == {"exact"}


def test_passthrough_is_taken_for_on_while_the_flags_are_unknown() -> None:
    asking = ingress(ssl_passthrough="true")
    assert "--enable-ssl-passthrough" in data(asking)["command"]
    assert "--enable-ssl-passthrough" not in data(ingress())["command"]
    assert "--enable-ssl-passthrough" not in data(asking, deployment("--v=2"))["command"]


@pytest.mark.parametrize("output", ["text", "markdown", "sarif", "json"])
def test_each_output_names_port_and_reason(
    output: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    ports = {**config_map("tcp"), "data": {"8080": "db/pg:5432", "8181": "db/pg:5432", "9000": "db/pg:5432"}}
    raw = text_of(PG, deployment(*FLAGS), ports)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw)))
    assert run(["migrate", "-", "-o", output]) == 1
    out = capfd.readouterr().out
    assert "port-opens" in out
    assert "8080" in out
    assert "ingress-nginx/tcp" in out
