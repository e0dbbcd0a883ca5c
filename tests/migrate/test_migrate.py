"""`xds migrate`: forms of the input, the choice of Ingresses, forms of the output, and exit codes.

Excludes: surprises (test_surprises), verdicts (test_verdicts).
"""

import asyncio
import contextlib
import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.migrate.report_of import PREFIX, config_map, data, deployment, ingress, of, secret, text_of
from tests.support.fake_api import FakeApi
from xds.cli.main import run
from xds.cli.migration.cluster import read
from xds.cli.migration.data import report_data
from xds.cli.migration.judging import Wish, judge
from xds.kube.objects import ConfigMap, Secret
from xds.problems.problem import Key

REFUSED = ingress(limit_connections="5")
EXACT = ingress(proxy_body_size="8m")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    made = tmp_path / "k8s"
    made.mkdir()
    text = "---\n" + "---\n".join(yaml.safe_dump(each) for each in (EXACT, ingress("bad", "/b", limit_connections="5")))
    (made / "shop.yaml").write_text(text)
    return made


def stdin(monkeypatch: pytest.MonkeyPatch, raw: bytes) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(raw)))


def migrated(capfd: pytest.CaptureFixture[str], *arguments: str, code: int) -> str:
    assert run(["migrate", *arguments]) == code
    out, err = capfd.readouterr()
    assert ("can't be read" in err) == (code == 3)
    assert err.count("\n") == (code == 3)
    return str(out)


@pytest.mark.parametrize("form", ["yaml", "json", "documents", "bom"])
def test_standard_input_may_be_yaml_json_or_several_documents(
    form: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    raw = {
        "yaml": text_of(EXACT),
        "json": json.dumps({"apiVersion": "v1", "kind": "List", "items": [EXACT]}).encode(),
        "documents": b"---\n" + yaml.safe_dump(EXACT).encode() + b"---\n" + yaml.safe_dump(config_map()).encode(),
        "bom": b"\xef\xbb\xbf" + text_of(EXACT),
    }[form]
    stdin(monkeypatch, raw)
    found = json.loads(migrated(capfd, "-", "-o", "json", code=0))
    assert [each["name"] for each in found["ingresses"]] == ["web"]


@pytest.mark.parametrize("raw", [b"", b"a: [", b'{"kind"', b"- just\n- a list\n", b"kind: Unknown\napiVersion: v1\n"])
def test_standard_input_that_holds_no_object_is_exit_code_3(
    raw: bytes, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    stdin(monkeypatch, raw)
    assert run(["migrate", "-"]) == 3
    assert capfd.readouterr().out == "" or raw.startswith(b"-")


def test_exit_code_1_stands_for_a_refusal(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert "limit-connections" in migrated(capfd, "k8s", code=1)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["absent"], 3),
        (["k8s", "--kubeconfig", "x"], 2),
        (["--kubeconfig", "absent"], 3),
        (["k8s", "--nginx-configmap", "x"], 2),
        (["k8s", "--controller-args", "'"], 2),
        (["k8s", "--namespace", "A"], 2),
        (["k8s", "-o", "xml"], 2),
    ],
)
def test_wrong_usage_is_2_and_a_missing_input_is_3(
    arguments: list[str], code: int, folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run(["migrate", *arguments]) == code
    assert capfd.readouterr().err.count("\n") == 1


def test_without_source_the_usual_kubeconfig_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "absent"))
    assert run(["migrate"]) == 2
    assert "--kubeconfig FILE" in capfd.readouterr().err


def test_a_file_that_can_not_be_read_is_told_and_is_exit_code_3(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    (folder / "template.yaml").write_text("{{ if .Values.x }}\na: b\n")
    out = migrated(capfd, "k8s", "--namespace", "shop", code=3)
    assert "Not readable" in out
    assert "template.yaml" in out


def test_sarif_names_file_line_and_rule(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    log = json.loads(migrated(capfd, "k8s", "-o", "sarif", code=1))
    assert log["version"] == "2.1.0"
    found = log["runs"][0]
    rules = [each["id"] for each in found["tool"]["driver"]["rules"]]
    assert len(set(rules)) == len(rules)
    by_rule = {each["ruleId"]: each for each in found["results"]}
    refusal = by_rule["annotation/limit-connections"]
    assert refusal["level"] == "error"
    assert rules[refusal["ruleIndex"]] == "annotation/limit-connections"
    place = refusal["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "k8s/shop.yaml"
    lines = (folder / "shop.yaml").read_text().splitlines()
    assert lines[place["region"]["startLine"] - 1] == "---"
    assert "name: bad" in "\n".join(lines[place["region"]["startLine"] - 1 :])
    assert all(each["message"]["text"] and each["level"] in ("error", "warning", "note") for each in found["results"])


def test_markdown_has_a_table_and_escapes_values_of_annotations(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    stdin(monkeypatch, text_of(ingress(proxy_read_timeout="[x](http://evil.test) @all <img>")))
    out = migrated(capfd, "-", "-o", "markdown", code=0)
    assert "| `shop/web` | approximate |" in out
    assert "[x](" not in out
    assert "@all" not in out
    assert "<img>" not in out


def test_text_output_escapes_control_characters(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    stdin(monkeypatch, text_of(ingress(configuration_snippet="more_set_headers \x1b[31mx;", proxy_body_size="\x1b[2J")))
    assert "\x1b" not in migrated(capfd, "-", code=1)


@pytest.mark.parametrize("output", ["text", "json", "sarif", "markdown"])
def test_no_output_has_the_content_of_a_secret(
    output: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    users = secret("users", auth="alice:$apr1$salt$SENTINEL\nbob:SENTINEL")
    broken = {**secret("broken"), "data": {"tls.crt": "SENTINEL!"}}
    entry = ingress(auth_type="basic", auth_secret="users", auth_realm="x", proxy_ssl_secret="shop/users")
    stdin(monkeypatch, text_of(entry, users, broken, secret("t", **{"tls.crt": "SENTINEL", "tls.key": "SENTINEL"})))
    run(["migrate", "-", "-o", output])
    out, err = capfd.readouterr()
    assert "SENTINEL" not in out + err
    assert "alice" not in out + err


def test_ingresses_of_other_classes_are_told_and_not_judged() -> None:
    other = ingress("other", host="b.test")
    other["spec"]["ingressClassName"] = "traefik"
    legacy = ingress("legacy", host="c.test")
    del legacy["spec"]["ingressClassName"]
    legacy["metadata"]["annotations"]["kubernetes.io/ingress.class"] = "nginx"
    classless = ingress("classless", host="d.test")
    del classless["spec"]["ingressClassName"]
    found = data(ingress(), other, legacy, classless)
    assert [each["name"] for each in found["ingresses"]] == ["legacy", "web"]
    assert sorted(found["left_out"]) == ["shop/classless", "shop/other"]
    taken = data(classless, wish=Wish(takes_classless=True))
    assert [each["name"] for each in taken["ingresses"]] == ["classless"]
    flagged = data(classless, deployment("--watch-ingress-without-class"))
    assert [each["name"] for each in flagged["ingresses"]] == ["classless"]


def test_a_class_counts_by_its_controller_whatever_its_name() -> None:
    named = ingress()
    named["spec"]["ingressClassName"] = "internal"
    kind = {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "internal"}}
    ours, theirs = ({**kind, "spec": {"controller": name}} for name in ("k8s.io/ingress-nginx", "example.com/x"))
    assert [each["name"] for each in data(named, ours)["ingresses"]] == ["web"]
    assert data(named, theirs)["ingresses"] == []
    assert data(named)["ingresses"] == []
    assert [each["name"] for each in data(named, wish=Wish(classes=("internal",)))["ingresses"]] == ["web"]


def test_namespace_and_class_choose_what_is_reported_and_neighbours_still_count() -> None:
    other = ingress("other", "/b", namespace="attic", use_regex="true")
    found = data(ingress(), other, wish=Wish(namespaces=("shop",)))
    assert [each["name"] for each in found["ingresses"]] == ["web"]
    assert of(found)["surprises"] == ["regex-of-neighbour"]


def test_objects_that_the_input_lacks_are_not_judged_unless_their_kind_is_there() -> None:
    entry = ingress(
        custom_headers="shop/headers", proxy_read_timeout="1h", tls=[{"hosts": ["a.test"], "secretName": "t"}]
    )
    alone = of(data(entry))
    assert alone["verdict"] == "approximate"
    assert alone["not_judged"] == ["ConfigMap shop/headers", "Secret shop/t", "Service shop/s"]
    beside = of(data(entry, secret("other"), config_map("other", "shop")))
    assert beside["verdict"] == "refused"
    assert beside["annotations"]["custom-headers"]["verdict"] == "refused"
    assert [each["reason"] for each in beside["problems"]] == ["SecretNotFound"]
    assert beside["not_judged"] == ["Service shop/s"]
    partial = of(data(entry, secret("other"), config_map("other", "shop"), wish=Wish(is_partial=True)))
    assert partial["verdict"] == "approximate"


def test_a_config_map_of_the_controller_does_not_make_the_others_missing() -> None:
    found = of(data(ingress(custom_headers="shop/headers"), config_map(global_allowed_response_headers="x-a")))
    assert found["verdict"] == "exact"


def test_config_map_and_flags_are_found_from_the_deployment() -> None:
    flags = ("/nginx-ingress-controller", "--configmap=$(POD_NAMESPACE)/own", "--default-ssl-certificate=a/b")
    found = data(ingress(), deployment(*flags, "--enable-ssl-passthrough"), config_map("own", custom_http_errors="404"))
    assert found["config_map"]["name"] == "own"
    assert found["config_map"]["keys"]["custom-http-errors"]["verdict"] == "refused"
    assert found["controller"]["flags"]["enable-ssl-passthrough"]["verdict"] == "exact"
    assert found["command"][-3:] == ["--default-tls-secret", "a/b", "--enable-ssl-passthrough"]
    assert found["command"][:8] == [
        "xds", "serve", "--compatibility", "ingress-nginx", "--ingress-class", "nginx", "--controller-name",
        "k8s.io/ingress-nginx",
    ]  # fmt: skip
    assert "ingress-nginx/own" in found["command"]


def test_command_line_is_one_that_serve_takes(capfd: pytest.CaptureFixture[str]) -> None:
    """The check of the arguments comes before the missing source of objects."""
    flags = "--watch-ingress-without-class --watch-namespace=a,b --default-backend-service=a/b --disable-catch-all"
    wish = Wish(flags=dict(each.lstrip("-").partition("=")[::2] for each in flags.split()))
    config = config_map(allow_cross_namespace_resources="true", otlp_collector_host="otel.test")
    found = data(
        ingress(use_regex="true", mirror_target="http://m.test", auth_type="basic", auth_secret="u"), config, wish=wish
    )
    assert run(found["command"][1:]) == 2
    assert "name the source of objects" in capfd.readouterr().err
    assert {"--allow-external-name", "--allow-cross-namespace-resources", "--max-regex-size", "--authz"} <= set(
        found["command"]
    )


def test_controller_arguments_replace_those_of_the_deployment() -> None:
    wish = Wish(flags={"watch-ingress-without-class": "true"}, config_map=Key("x", "y"))
    found = data(ingress(), deployment("--configmap=a/b"), config_map("y", "x", proxy_body_size="2m"), wish=wish)
    assert found["controller"]["from"] == "--controller-args"
    assert list(found["config_map"]["keys"]) == ["proxy-body-size"]


def api(*documents: dict[str, Any]) -> FakeApi:
    made = FakeApi()
    plurals = {"Ingress": "ingresses", "ConfigMap": "configmaps", "Secret": "secrets", "Deployment": "deployments"}
    groups = {"networking.k8s.io/v1": "apis/networking.k8s.io/v1", "v1": "api/v1", "apps/v1": "apis/apps/v1"}
    for each in documents:
        name, namespace = each["metadata"]["name"], each["metadata"]["namespace"]
        made.put(f"/{groups[each['apiVersion']]}/namespaces/{namespace}/{plurals[each['kind']]}/{name}", each)

    def lists(method: str, path: str) -> tuple[int, dict[str, Any]] | None:
        kind = path.rpartition("/")[2]
        if "/namespaces/" in path:
            return None
        return 200, {"items": [each for at, each in made.objects.items() if f"/{kind}/" in at], "metadata": {}}

    made.refuse = lists
    return made


def test_a_cluster_is_asked_for_named_secrets_and_config_maps_alone() -> None:
    entry = ingress(auth_type="basic", auth_secret="shop/users", tls=[{"hosts": ["a.test"], "secretName": "t"}])
    made = api(entry, deployment("--configmap=ingress-nginx/own"), config_map("own", proxy_body_size="3m"), secret("t"))
    found = asyncio.run(read(made, None))
    asked = [path for _, path, _ in made.log if "/namespaces/" in path]
    assert asked[0] == "/api/v1/namespaces/shop/secrets/t"
    assert not any(path.endswith("/secrets") for _, path, _ in made.log)
    assert {Secret, ConfigMap} <= found.whole
    assert report_data(judge(found, Wish()))["config_map"]["keys"]["proxy-body-size"]["verdict"] == "exact"


def test_config_maps_of_ports_are_asked_for_by_the_flags_of_the_controller_and_of_the_user() -> None:
    made = api(deployment("--tcp-services-configmap=$(POD_NAMESPACE)/tcp"))
    asyncio.run(read(made, None, others=[Key("edge", "udp")]))
    asked = {path for _, path, _ in made.log if "/configmaps/" in path}
    assert {f"/api/v1/namespaces/{each}" for each in ("ingress-nginx/configmaps/tcp", "edge/configmaps/udp")} <= asked
    assert "/api/v1/namespaces/ingress-nginx/configmaps/ingress-nginx-controller" in asked


def test_secrets_that_may_not_be_read_are_not_judged() -> None:
    made = api(ingress(tls=[{"hosts": ["a.test"], "secretName": "t"}]), config_map())
    lists = made.refuse
    made.refuse = lambda method, path: (403, {"message": "no"}) if "/secrets" in path else lists(method, path)
    found = asyncio.run(read(made, None))
    reported = of(report_data(judge(found, Wish())))
    assert Secret not in found.whole
    assert reported["not_judged"] == ["Secret shop/t"]


@contextlib.contextmanager
def served(made: FakeApi) -> Iterator[str]:
    """The API on a socket."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, _ = self.path.partition("?")
            status, body = asyncio.run(made.request("GET", path))
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: Any) -> None:
            """Be silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def kubeconfig(folder: Path, server: str) -> Path:
    content = {
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    (folder / "kubeconfig").write_text(json.dumps(content))
    return folder / "kubeconfig"


@pytest.mark.parametrize("named", ["flag", "environment"])
def test_a_cluster_is_read_by_its_kubeconfig(
    named: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    made = api(REFUSED, deployment("--configmap=ingress-nginx/own"), config_map("own", proxy_body_size="3m"))
    with served(made) as address:
        file = kubeconfig(tmp_path, address)
        monkeypatch.setenv("KUBECONFIG", str(file))
        flags = ["--kubeconfig", str(file)] if named == "flag" else []
        found = json.loads(migrated(capfd, *flags, "-o", "json", code=1))
    assert [each["verdict"] for each in found["ingresses"]] == ["refused"]
    assert list(found["config_map"]["keys"]) == ["proxy-body-size"]


def test_a_cluster_that_gives_no_answer_is_exit_code_3(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert run(["migrate", "--kubeconfig", str(kubeconfig(tmp_path, "http://127.0.0.1:1"))]) == 3
    assert capfd.readouterr().err.count("\n") == 1


def test_named_namespaces_are_read_without_the_right_to_read_all() -> None:
    made = api(ingress())

    def refuse(method: str, path: str) -> tuple[int, dict[str, Any]] | None:
        if "/namespaces/" not in path:
            return (403, {"message": "forbidden"})
        found = [each for at, each in made.objects.items() if at.startswith(f"{path}/")]
        return (200, {"items": found, "metadata": {}}) if path.endswith(("/ingresses", "/services")) else None

    made.refuse = refuse
    found = asyncio.run(read(made, None, ["shop"]))
    assert [each.metadata.name for each in found.objects] == ["web"]


def test_annotations_of_other_tools_are_not_reported() -> None:
    entry = ingress()
    entry["metadata"]["annotations"] = {"cert-manager.io/cluster-issuer": "x", f"{PREFIX}proxy-body-size": "1m"}
    assert list(of(data(entry))["annotations"]) == ["proxy-body-size"]
