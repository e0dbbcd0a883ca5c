"""`xds translate`: resources and problems of a folder, and the exit code.

Excludes: reading files (tests/sources/folder), and the resources of each object (tests/golden).
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.debug_server import shop
from tests.support.objects import (
    certificate,
    external,
    ingress,
    ingress_class,
    manifest,
    path,
    rule,
    secret,
    service,
    slice_of,
    tls,
)
from xds.cli.main import run
from xds.kube.objects import KubeObject


def write(folder: Path, *objects: KubeObject) -> None:
    documents = (json.dumps(manifest(each), default=str) for each in objects)
    (folder / "objects.yaml").write_text("\n---\n".join(documents))


def translated(folder: Path, capfd: pytest.CaptureFixture[str], *flags: str, code: int = 0) -> Any:
    assert run(["translate", str(folder), "-o", "json", *flags]) == code
    out, err = capfd.readouterr()
    assert "XDS_INGRESS_CLASS" in err if "XDS_INGRESS_CLASS" in os.environ else err == ""
    return json.loads(out)


def names(data: Any, type_: str) -> list[str]:
    return [each["name"] for each in data["resources"] if each["type"].endswith(f".{type_}")]


def test_resources_go_to_standard_output(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, service("a"), slice_of("a", "10.0.0.1"), shop("a"))
    assert run(["translate", str(tmp_path)]) == 0
    out, err = capfd.readouterr()
    assert [line.split()[:2] for line in out.splitlines()] == [
        ["TYPE", "NAME"],
        ["cds", "default/a/80"],
        ["eds", "default/a/80"],
        ["ecds", "rate-limits@1"],
        ["lds", "http"],
        ["rds", "http@3"],
        ["vhds", "http@3/*"],
        ["vhds", "http@3/example.com"],
    ]
    assert err == ""


def test_problems_go_to_standard_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, shop("gone"))
    (tmp_path / "broken.yaml").write_text("a: [")
    assert run(["translate", str(tmp_path)]) == 1
    out, err = capfd.readouterr()
    assert [line.split()[0] for line in out.splitlines()] == ["TYPE", "ecds", "lds", "rds", "vhds", "vhds"]
    assert "Ingress default/shop" in err
    assert "broken.yaml" in err
    assert "MalformedFile" in err


def test_a_json_document_holds_resources_and_problems(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, shop("gone"))
    data = translated(tmp_path, capfd, code=1)
    assert names(data, "Listener") == ["http"]
    assert [each["reason"] for each in data["problems"]] == ["BackendNotFound"]
    assert run(["translate", str(tmp_path), "-o", "yaml"]) == 1
    assert yaml.safe_load(capfd.readouterr().out) == data


def test_translate_filters_by_type_and_name(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, service("a"), service("b"), shop("a", "b"))
    data = translated(tmp_path, capfd, "--type", "cds", "--name", "b")
    assert [each["name"] for each in data["resources"]] == ["default/b/80"]


def test_translate_redacts_private_keys(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    cert = secret("cert", certificate("example.com"))
    write(tmp_path, service("a"), cert, shop("a", tls=tls("example.com", secret="cert")))
    data = translated(tmp_path, capfd, "-t", "sds")
    assert data["resources"][0]["resource"]["tls_certificate"]["private_key"] == {"inline_bytes": "[redacted]"}


def test_translate_takes_the_traffic_flags_of_serve(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    default = secret("fallback", certificate("*.example.com"))
    plain = ingress("shop", rule("a.example.com", path("/", "dns")), class_name="mine", tls=[tls("a.example.com")])
    write(tmp_path, external("dns", "example.org"), default, plain)
    assert names(translated(tmp_path, capfd), "Cluster") == []
    flags = ["--ingress-class", "mine", "--allow-external-name", "--default-tls-secret", "default/fallback"]
    flags += ["--http-port", "81", "--https-port", "444", "--listener-address", "::", "--trusted-hops", "2"]
    flags += ["--public-https-port", "30443", "--pass-upgrade", "mine", "--server-header", "off"]
    flags += ["--https-min-version", "1.3", "--https-cipher", "AES128-SHA", "--https-cipher", "AES256-SHA"]
    data = translated(tmp_path, capfd, *flags, "--redirect-https", "--proxy-protocol", "--replace-request-id")
    assert names(data, "Cluster") == ["default/dns/80"]
    assert names(data, "Secret") == ["default/fallback"]
    listeners = [each["resource"] for each in data["resources"] if each["type"].endswith(".Listener")]
    assert [each["address"]["socket_address"]["port_value"] for each in listeners] == [81, 444]
    assert {each["address"]["socket_address"]["address"] for each in listeners} == {"::"}
    text = json.dumps(data)
    assert '"xff_num_trusted_hops": 2' in text
    assert '"port_redirect": 30443' in text
    assert '"upgrade_configs": [{"upgrade_type": "mine"}]' in text
    assert "server_header_transformation" in text
    assert '"server_name": "' not in text
    assert "preserve_external_request_id" not in text
    assert '"cipher_suites": ["AES128-SHA", "AES256-SHA"]' in text
    assert '"tls_minimum_protocol_version": "TLSv1_3"' in text
    assert "envoy.filters.listener.proxy_protocol" in text
    assert "https_redirect" in text
    assert "envoy.access_loggers.stats" not in text
    flags = ["--traffic-metrics", "--access-log-field", "status", "--access-log-field", "request.referer"]
    text = json.dumps(translated(tmp_path, capfd, *flags))
    assert '"json_format": {"request.referer": "%REQ(referer)%", "status": "%RESPONSE_CODE%"}' in text
    assert "envoy.access_loggers.stats" in text


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--pass-upgrade", "h2c"),
        ("--pass-upgrade", "Connect"),
        ("--pass-upgrade", "web socket"),
        ("--pass-upgrade", ""),
        ("--server-header", ""),
        ("--server-header", "a\nb"),
        ("--public-http-port", "0"),
        ("--access-log-field", "stauts"),
        ("--access-log-field", "request.a b"),
        ("--access-log-field", "request.%REQ(x)%"),
        ("--access-log-field", "response.set-cookie"),
        ("--access-log-field", ""),
    ],
)
def test_values_that_envoy_would_not_take_are_wrong_usage(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], flag: str, value: str
) -> None:
    assert run(["translate", str(tmp_path), flag, value]) == 2
    assert flag in capfd.readouterr().err


def write_two_classes(folder: Path) -> None:
    kinds = [ingress_class(name) for name in ("internal", "external")]
    rules = {name: rule(f"{name}.test", path("/", name)) for name in ("internal", "external")}
    ingresses = [ingress(name, each, class_name=name) for name, each in rules.items()]
    write(folder, *kinds, *ingresses, service("internal"), service("external"))


@pytest.mark.parametrize("by_environment", [False, True])
def test_an_ingress_class_that_is_set_excludes_classes_of_other_names(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, by_environment: bool
) -> None:
    write_two_classes(tmp_path)
    both = ["default/external/80", "default/internal/80"]
    assert names(translated(tmp_path, capfd), "Cluster") == both
    if by_environment:
        monkeypatch.setenv("XDS_INGRESS_CLASS", "internal")
    flags = [] if by_environment else ["--ingress-class", "internal"]
    assert names(translated(tmp_path, capfd, *flags), "Cluster") == ["default/internal/80"]


def test_variables_for_serve_that_change_a_translation_are_named(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDS_HTTP_PORT", "8081")
    monkeypatch.setenv("XDS_NO_VHDS", "1")
    assert run(["translate", str(tmp_path), "-t", "cds", "--no-vhds"]) == 0
    warning = "xds: the result depends on XDS_HTTP_PORT of the environment, as that of 'xds serve' does\n"
    assert capfd.readouterr() == ("", warning)


@pytest.mark.parametrize("link", ["tcp://10.0.0.1:80", "udp://[fd00::1]:53"])
def test_a_service_link_is_ignored_with_a_warning(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, link: str
) -> None:
    monkeypatch.setenv("XDS_HTTP_PORT", link)
    assert run(["translate", str(tmp_path), "-t", "lds"]) == 0
    out, err = capfd.readouterr()
    assert "http" in out
    assert (err.count("\n"), err.startswith(f"xds: XDS_HTTP_PORT={link} is ignored: ")) == (1, True)
    assert run(["translate", str(tmp_path), "-t", "lds", "--http-port", "8081"]) == 0
    assert capfd.readouterr().err == ""


def test_controller_names_replace_the_default_one(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write_two_classes(tmp_path)
    assert names(translated(tmp_path, capfd, "--controller-name", "example.com/edge"), "Cluster") == []
    flags = ["--controller-name", "example.com/edge", "--controller-name", "xds-ingress.dev/controller"]
    assert len(names(translated(tmp_path, capfd, *flags), "Cluster")) == 2


@pytest.mark.parametrize("name", ["edge", "example.com/", "/edge", "Example.com/edge", "example.com/a b"])
def test_a_controller_name_is_a_domain_and_a_path(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["translate", str(tmp_path), "--controller-name", name]) == 2
    assert "is not DOMAIN/PATH" in capfd.readouterr().err


def test_an_ingress_without_a_class_is_translated(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, service("a"), ingress("shop", rule("a.example", path("/", "a")), class_name=None))
    assert names(translated(tmp_path, capfd), "Cluster") == ["default/a/80"]


@pytest.mark.parametrize(
    ("arguments", "code", "complaint"),
    [
        (["/nonexistent"], 3, "/nonexistent: there is no such file or folder; check the name"),
        ([], 2, "Missing argument 'SOURCE…'; see 'xds translate --help'"),
        ([".", "--type", "xyz"], 2, "'xyz' is no resource type"),
    ],
)
def test_translate_errors_are_one_line(
    capfd: pytest.CaptureFixture[str], arguments: list[str], code: int, complaint: str
) -> None:
    assert run(["translate", *arguments]) == code
    out, err = capfd.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"xds: {complaint}")
