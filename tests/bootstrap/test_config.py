"""The output of `xds bootstrap`: a real Envoy accepts every variant, starts and becomes ready.

Covers: paths of the stats port, and checked-in examples that equal the command's output. Excludes: Envoy's behaviour
with resources (tests/e2e).
"""

import asyncio
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.authority import Authority, SecretMount
from tests.support.envoy import free_port, needs_envoy, running_envoy
from tests.support.envoy_binary import BINARY
from tests.support.plane import Plane
from xds.address import parse
from xds.bootstrap.config import BootstrapOptions, bootstrap_yaml
from xds.cli.main import run
from xds.resources.options import ProxyOptions

TLS = ["--tls-ca", "/tls/ca.crt", "--tls-cert", "/tls/tls.crt", "--tls-key", "/tls/tls.key"]
EXAMPLES = Path(__file__).parents[2] / "envoy"

ADDRESSES = ["127.0.0.1:18000", "[::1]:18000", "xds-ingress.example.com:18000", "unix:/run/xds.sock", "unix:@xds"]
IDS = ["envoy-1", "n", "true", "1e5", "0o10", "0x1p3", "~", "a: b", "#", "[x]", "é\n"]


def validate(text: str, folder: Path) -> None:
    """Assert that Envoy accepts a bootstrap without a warning."""
    file = folder / "envoy.yaml"
    file.write_text(text, encoding="utf-8")
    command = [str(BINARY), "--mode", "validate", "--log-level", "warning", "-c", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@needs_envoy
@pytest.mark.parametrize("address", ADDRESSES)
@pytest.mark.parametrize("sotw", [False, True])
@pytest.mark.parametrize(("stats_port", "max_memory_bytes"), [(None, None), (9902, 2**31)])
def test_envoy_accepts_every_variant(
    address: str, sotw: bool, stats_port: int | None, max_memory_bytes: int | None, tmp_path: Path
) -> None:
    options = BootstrapOptions(
        parse(address), "envoy-1", stats_port=stats_port, sotw=sotw, max_memory_bytes=max_memory_bytes
    )
    validate(bootstrap_yaml(options), tmp_path)


@needs_envoy
@pytest.mark.parametrize("text", IDS)
def test_a_node_id_stays_a_string_in_yaml(text: str, tmp_path: Path) -> None:
    """Envoy's YAML parser reads more words as booleans and numbers than PyYAML."""
    options = BootstrapOptions(parse(ADDRESSES[0]), text, node_cluster=text)
    assert yaml.safe_load(bootstrap_yaml(options))["node"] == {"id": text, "cluster": text}
    validate(bootstrap_yaml(options), tmp_path)


@pytest.mark.parametrize(
    ("address", "kind"),
    [("127.0.0.1:1", "STATIC"), ("[::1]:1", "STATIC"), ("unix:/x", "STATIC"), ("localhost:1", "STRICT_DNS")],
)
def test_host_names_are_resolved_by_dns_and_addresses_are_static(address: str, kind: str) -> None:
    bootstrap = yaml.safe_load(bootstrap_yaml(BootstrapOptions(parse(address), "envoy-1")))
    [cluster] = bootstrap["static_resources"]["clusters"]
    assert cluster["type"] == kind


@pytest.mark.parametrize(("sotw", "kind"), [(False, "DELTA_GRPC"), (True, "GRPC")])
def test_the_variant_selects_the_api_type(sotw: bool, kind: str) -> None:
    bootstrap = yaml.safe_load(bootstrap_yaml(BootstrapOptions(parse(ADDRESSES[0]), "envoy-1", sotw=sotw)))
    ads = bootstrap["dynamic_resources"]["ads_config"]
    assert (ads["api_type"], ads["transport_api_version"]) == (kind, "V3")
    assert bootstrap["admin"]["address"]["socket_address"] == {"address": "127.0.0.1", "port_value": 9901}


def test_envoy_waits_for_listeners_and_clusters_without_limit() -> None:
    """Envoy takes 0 s as no limit. Not tried with a real Envoy, whose default limits are 15 s each."""
    resources = yaml.safe_load(bootstrap_yaml(BootstrapOptions(parse(ADDRESSES[0]), "envoy-1")))["dynamic_resources"]
    assert [resources[name]["initial_fetch_timeout"] for name in ("cds_config", "lds_config")] == ["0s", "0s"]


@needs_envoy
@pytest.mark.parametrize("sotw", [False, True])
async def test_envoy_becomes_ready(sotw: bool, tmp_path: Path) -> None:
    proxy = ProxyOptions(listener_address="127.0.0.1", http_port=free_port())
    async with Plane(proxy=proxy) as plane, running_envoy(plane.address, tmp_path, sotw=sotw) as envoy:
        await envoy.until_ready()
        assert plane.status("test").variant == ("sotw" if sotw else "delta")
        # The filter of error pages has this stage at Envoy's, and no other warning is expected.
        assert not [line for line in envoy.log.splitlines() if "[warning]" in line and "work-in-progress" not in line]


@needs_envoy
async def test_the_stats_port_passes_on_two_paths(tmp_path: Path) -> None:
    port = free_port()
    async with Plane() as plane, running_envoy(plane.address, tmp_path, stats_port=port) as envoy:
        await envoy.until_ready()
        ready = await ask(port, "GET", "/ready")
        assert (ready[:3], "LIVE" in ready) == ("200", True)
        assert "envoy_server_live" in await ask(port, "GET", "/stats/prometheus")
        for path in ("/", "/stats", "/quitquitquit", "/ready/", "/ready/../quitquitquit", "//ready", "/config_dump"):
            assert (await ask(port, "GET", path)).startswith("404"), path
        for method in ("POST", "PUT", "HEAD", "DELETE", "OPTIONS"):
            assert (await ask(port, method, "/ready")).startswith("404"), method
        assert envoy.process.returncode is None


async def ask(port: int, method: str, path: str, host: str = "127.0.0.1") -> str:
    """Status and body. Sent by hand, because client libraries normalize paths."""
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(f"{method} {path} HTTP/1.1\r\nHost: any\r\nConnection: close\r\n\r\n".encode())
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    await writer.wait_closed()
    return f"{head.split()[1]} {body}"


@needs_envoy
@pytest.mark.parametrize(("address", "name"), [*((each, "") for each in ADDRESSES[:3]), ("unix:/x", "a.example")])
def test_envoy_accepts_tls(address: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["--tls-server-name", name] if name else []
    sds, mount = tmp_path / "new" / "sds", SecretMount(tmp_path / "tls", Authority().issue("a"))
    files = mount.client_flags[:6]
    assert run(["bootstrap", "--xds", address, "--node-id", "a", *files, *names, "--sds-dir", str(sds)]) == 0
    validate(capsys.readouterr().out, tmp_path)
    matcher = resource_of(sds / "xds-ca.yaml")["validation_context"]["match_typed_subject_alt_names"]
    host = name or address.rpartition(":")[0].strip("[]")
    kind = "DNS" if "example" in host else "IP_ADDRESS"
    assert matcher == [{"san_type": kind, "matcher": {"exact": host}}]
    certificate = resource_of(sds / "xds-certificate.yaml")["tls_certificate"]
    assert certificate["watched_directory"] == {"path": str(mount.folder)}
    assert certificate["private_key"] == {"filename": str(mount.folder / "tls.key")}


def resource_of(file: Path) -> Any:
    (resource,) = yaml.safe_load(file.read_text())["resources"]
    return resource


def test_an_sds_dir_that_can_not_be_written_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "sds"
    assert run(["bootstrap", "--xds", "a:1", "--node-id", "a", *TLS, "--sds-dir", str(folder)]) == 3
    assert capsys.readouterr() == ("", f"xds: --sds-dir {folder} can't be written to: Not a directory\n")


def examples() -> list[Path]:
    return sorted(EXAMPLES.glob("bootstrap-*.yaml"))


@pytest.mark.parametrize("example", examples(), ids=lambda path: path.name)
def test_an_example_equals_the_output_of_its_command(
    example: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = example.read_text()
    command = shlex.split(text.splitlines()[0].removeprefix("# "))
    monkeypatch.chdir(tmp_path)
    assert run(command[1:]) == 0
    assert capsys.readouterr().out == text, f"{' '.join(command)} > envoy/{example.name}"
    for written in tmp_path.rglob("*.yaml"):
        assert written.read_text() == (EXAMPLES.parent / written.relative_to(tmp_path)).read_text()


def test_examples_of_both_variants_exist() -> None:
    assert {"bootstrap-delta.yaml", "bootstrap-sotw.yaml"} <= {example.name for example in examples()}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing option '--xds'"),
        (["--xds", "127.0.0.1:0", "--node-id", "a"], "no port to connect to"),
        (["--xds", "unix:", "--node-id", "a"], "'unix:' is not HOST:PORT|unix:PATH"),
        (["--xds", "127.0.0.1:1", "--node-id", ""], "can't be empty"),
        (["--xds", "127.0.0.1:1", "--node-id", "a", "--stats-port", "9901"], "can't be the same"),
        (["--xds", "127.0.0.1:1", "--node-id", "a", "--max-memory", "2Gi"], "'2Gi' is not a whole number"),
        (["--xds", "127.0.0.1:1", "--node-id", "a", "--admin-address", "localhost"], "is not an IP address"),
        (["--xds", "127.0.0.1:1", "--node-id", "a", *TLS[:4]], "--tls-key missing"),
        (["--xds", "127.0.0.1:1", "--node-id", "a", *TLS], "need --sds-dir"),
        (["--xds", "unix:/x", "--node-id", "a", *TLS, "--sds-dir", "/x"], "give the name with --tls-server-name"),
    ],
)
def test_wrong_usage_is_an_error_of_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["bootstrap", *arguments]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err


def test_the_first_line_repeats_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["bootstrap", "--xds", "unix:/run/xds.sock", "--node-id", "a b\nc", "--stats-port", "9902"]) == 0
    head, *rest = capsys.readouterr().out.splitlines()
    assert head == (
        "# xds bootstrap --xds unix:/run/xds.sock --node-id 'a b\\nc' --node-cluster xds-ingress "
        "--admin-port 9901 --stats-port 9902"
    )
    assert yaml.safe_load("\n".join(rest))["node"]["id"] == "a b\nc"


def test_memory_is_unbounded_by_default_and_bounded_by_a_flag(capsys: pytest.CaptureFixture[str]) -> None:
    assert "fixed_heap" not in bootstrap_yaml(BootstrapOptions(parse(ADDRESSES[0]), "a"))
    assert run(["bootstrap", "--xds", "a:1", "--node-id", "a", "--max-memory", "2147483648"]) == 0
    overload = yaml.safe_load(capsys.readouterr().out)["overload_manager"]
    [heap] = [each for each in overload["resource_monitors"] if each["name"] == "envoy.resource_monitors.fixed_heap"]
    assert heap["typed_config"]["max_heap_size_bytes"] == "2147483648"
    triggers = {each["name"]: each["triggers"][0] for each in overload["actions"]}
    reset = triggers.pop("envoy.overload_actions.reset_high_memory_stream")
    assert reset["scaled"] == {"scaling_threshold": 0.85, "saturation_threshold": 0.95}
    assert overload["buffer_factory_config"] == {"minimum_account_to_track_power_of_two": 18}
    assert {name: each["threshold"]["value"] for name, each in triggers.items()} == {
        "envoy.overload_actions.shrink_heap": 0.9,
        "envoy.overload_actions.disable_http_keepalive": 0.9,
        "envoy.overload_actions.stop_accepting_requests": 0.95,
        "envoy.overload_actions.reject_incoming_connections": 0.95,
    }


@needs_envoy
@pytest.mark.parametrize("address", ["::", "::1", "0.0.0.0", "127.0.0.1"])
async def test_the_stats_port_answers_in_both_families_wherever_the_admin_interface_is(
    address: str, tmp_path: Path
) -> None:
    port = free_port()
    async with (
        Plane() as plane,
        running_envoy(plane.address, tmp_path, stats_port=port, admin_address=address) as envoy,
    ):
        await envoy.until_ready()
        for host in ("127.0.0.1", "::1"):
            answer = await ask(port, "GET", "/ready", host)
            assert (answer[:3], "LIVE" in answer) == ("200", True), host
