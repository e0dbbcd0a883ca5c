"""Names of users and hashes of passwords are in no output of any command.

Covers: translate, lint, problems, explain, why and snapshot show, diff and watch, in each output format, for files that
are good, bad, too large, and manifests with faults; the traffic model's own texts. Excludes: what a proxy says of a
rejection (tests/e2e/test_rejected_passwords.py), logs of `xds authz` (tests/e2e/test_passwords.py).
"""

import base64
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.debug_server import ThreadedDebugServer
from tests.support.golden import traffic_model
from tests.support.objects import (
    World,
    ingress,
    manifest,
    password_file,
    password_map,
    path,
    pipeline,
    rule,
    service,
    slice_of,
)
from tests.support.route_table_annotations import annotated
from xds.cli.main import run
from xds.kube.objects import Ingress, KubeObject, Secret
from xds.server.debug.rendering import content_as_json
from xds.snapshot.resource import ResourceType
from xds.translate.nginx.htpasswd import MAX_USERS
from xds.translate.options import TranslateOptions

SHA: Final = "{SHA}MARKerSHAxxxxxxxxxxxxxxxxxx="
APR1: Final = "$apr1$MARKer$MARKerMARKerMARKerMARK"
MARK: Final = "marker"
HOST: Final = "a.test"

FILES: Final = {
    "good": password_file(f"marker-a:{SHA}\nmarker-ü:{SHA}\n", "good"),
    "authz": password_file(f"marker-a:{SHA}\nmarker-b:{APR1}\n", "authz"),
    "never": password_file(f"marker-a:{SHA}\nmarker-b:MARKer\nmarker-c\nmarker\td:{SHA}\n:MARKer\n", "never"),
    "many": password_file("".join(f"marker{number}:{SHA}\n" for number in range(MAX_USERS + 1)), "many"),
    "no-file": password_map("no-file", marker=SHA),
    "map": password_map("map", marker=SHA, **{"marker-b": APR1}),
}


def objects(*secrets: Secret) -> tuple[KubeObject, ...]:
    """An Ingress for each Secret."""
    return (
        service("web"),
        slice_of("web", "10.0.0.1"),
        *secrets,
        *(asking(each.metadata.name) for each in secrets),
    )


def asking(secret: str) -> Ingress:
    form = "auth-map" if secret == "map" else "auth-file"
    values = annotated(auth_type="basic", auth_secret=secret, auth_secret_type=form)
    return ingress(secret, rule(HOST, path(f"/{secret}")), default="web", annotations=values)


def hidden(text: str) -> bool:
    return MARK not in text.lower()


FROM_FOLDER: Final = (
    *(("translate", "{}", "-o", each) for each in ("table", "json", "yaml")),
    *(("lint", "{}", "-o", each) for each in ("text", "json", "sarif")),
    ("explain", f"http://{HOST}/good", "--from", "{}"),
    ("explain", f"http://{HOST}/good", "-H", "Authorization: Basic xxxx", "--from", "{}", "-o", "json"),
    ("why", "ingress", "default/never", "--from", "{}"),
    ("why", "ingress", "default/never", "--from", "{}", "-o", "json"),
)


@pytest.mark.parametrize("authz", [(), ("--authz", "unix:/run/xds/authz.sock")], ids=["without", "with"])
def test_commands_on_a_folder(authz: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    write(tmp_path, objects(*FILES.values()))
    for command in FROM_FOLDER:
        code = run([each.format(tmp_path) for each in command] + list(authz))
        out, err = capfd.readouterr()
        assert code in (0, 1), (command, err)
        assert hidden(out + err), command


def write(folder: Path, given: tuple[KubeObject, ...]) -> None:
    documents = [manifest(each) for each in given]
    for each in documents:
        if each["kind"] == "Secret":  # base64 would hide the markers from this test, too
            each["stringData"] = {key: base64.b64decode(value).decode() for key, value in each.pop("data").items()}
            each["metadata"]["annotations"] = {"kubectl.kubernetes.io/last-applied-configuration": SHA}
    (folder / "all.yaml").write_text("\n---\n".join(json.dumps(each, default=str) for each in documents))


@pytest.mark.parametrize(
    "fields",
    [
        {"stringData": {"marker": 1}},
        {"stringData": {"marker": {"marker": "marker"}}},
        {"data": {"marker": "marker?"}},
        {"data": {"auth": "marker?"}},
        {"data": ["marker"]},
        {"stringData": "marker"},
    ],
)
def test_faults_of_a_manifest(fields: object, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert isinstance(fields, dict)
    write(tmp_path, (service("web"), asking("users")))
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "users"}, **fields}
    (tmp_path / "secret.json").write_text(json.dumps(secret))
    for command in FROM_FOLDER[2:6]:
        run([each.format(tmp_path) for each in command])
        assert hidden("".join(capfd.readouterr())), command


@pytest.fixture
def server() -> Iterator[ThreadedDebugServer]:
    with ThreadedDebugServer() as started:
        yield started


def test_commands_on_a_server(server: ThreadedDebugServer, capfd: pytest.CaptureFixture[str]) -> None:
    server.do(*objects(password_file(f"marker-old:{SHA}\n", "good")))
    watch = ["snapshot", "watch", "--server", server.target, "-o", "json"]
    watching = threading.Thread(target=run, args=(watch,), daemon=True)
    watching.start()
    server.do(*objects(*FILES.values()))
    for command in (
        *(("snapshot", "show", "-o", each) for each in ("table", "json", "yaml")),
        *(("snapshot", "diff", "1", "2", "-o", each) for each in ("diff", "json")),
        ("snapshot", "diff"),
        ("problems",),
        ("proxies",),
        ("explain", f"http://{HOST}/good", "-o", "json"),
        ("why", "ingress", "default/never", "-o", "json"),
    ):
        run([*command, "--server", server.target])
        out, err = capfd.readouterr()
        assert hidden(out + err), command


NAMES: Final = st.text(st.characters(exclude_characters=":\n\r", exclude_categories=["Cs"]), max_size=12)


@settings(max_examples=20, deadline=None)
@given(names=st.lists(NAMES, max_size=5), has_authz=st.booleans(), is_map=st.booleans())
def test_texts_of_values(names: list[str], has_authz: bool, is_map: bool) -> None:
    """Whatever the names: markers are part of each, and no rendering has one."""
    users = {f"{MARK}{name}{MARK}": f"{SHA}{name}" if number % 2 else SHA for number, name in enumerate(names)}
    content = "".join(f"{user}:{text}\n" for user, text in users.items())
    secret = password_map("map", **users) if is_map else password_file(content)
    values = objects(secret)
    built = pipeline(*values, translate=TranslateOptions(has_authz=has_authz))
    texts = [content_as_json(each) for type_ in ResourceType for each in built.store.resources(type_).values()]
    texts += [repr(each) for type_ in ResourceType for each in built.store.resources(type_).values()]
    texts += [repr(secret), str(secret), repr(secret.data), str(built.problems)]
    world = World(*values, has_authz=has_authz)
    texts += [str(world.traffic.hosts), str(traffic_model(world.traffic, world.problems))]
    assert [each for each in texts if not hidden(each)] == []
