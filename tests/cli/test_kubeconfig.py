"""`xds serve --kubeconfig` with files that can't be used: one line on standard error with the remedy, exit code 3.

Covers: the check of the file before anything is started, and credentials that can't be had.
Excludes: a kubeconfig that becomes unusable later (tests/sources/apiserver).
"""

import errno
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support.waiting import WAIT_LIMIT_SECONDS
from xds.kube.source import SourceError
from xds.kubeapi.client import ApiClient
from xds.kubeapi.kubeconfig import Access, Kubeconfig

PLUGIN_API = "client.authentication.k8s.io/v1"


def config(*, cluster: Any = None, user: Any = None, context: Any = None, **fields: Any) -> dict[str, Any]:
    """A kubeconfig that is valid but for the given parts."""
    return {
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"} if context is None else context}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"} if cluster is None else cluster}],
        "users": [{"name": "u", "user": {"token": "t"} if user is None else user}],
        **fields,
    }


def server(**fields: Any) -> dict[str, Any]:
    return config(cluster={"server": "https://127.0.0.1:1", **fields})


def plugin(**fields: Any) -> dict[str, Any]:
    return config(user={"exec": {"apiVersion": PLUGIN_API, **fields}})


FILES: dict[str, tuple[bytes | dict[str, Any], str]] = {
    "empty": (b"", "it is empty"),
    "text": (b"hello", "it is not a kubeconfig"),
    "list": (b"- a", "it is not a kubeconfig"),
    "half a file": (b"a: [", "it is not a kubeconfig, nor YAML"),
    "no text": (b"\x00\xff\xfe", "it is not a kubeconfig, nor YAML"),
    "deeply nested": (b"[" * 5000, "it is not a kubeconfig, nor YAML"),
    "another document": ({"kind": "Pod"}, "it has no current-context; choose one of its contexts (none)"),
    "no current-context": (config(**{"current-context": ""}), "choose one of its contexts (x)"),
    "an unknown context": (config(**{"current-context": "y"}), "its current-context 'y' is not among its contexts (x)"),
    "an unknown cluster": (config(clusters=[]), "'c' is not among its clusters (none)"),
    "an unknown user": (config(users=None), "'u' is not among its users (none)"),
    "a context without a cluster": (config(context={"user": "u"}), "None is not among its clusters (c)"),
    "contexts that are texts": (config(contexts=["x"]), "contexts is no list of mappings"),
    "a context that is a text": (config(context="c"), "the context 'x' is no mapping"),
    "a user that is a text": (config(user="u"), "the user 'u' is no mapping"),
    "no server": (config(cluster={}), "the server of its cluster 'c' is None"),
    "an empty server": (server(server=""), "the server of its cluster 'c' is ''"),
    "a server that is a number": (server(server=5), "is 5, and no URL like https://HOST:PORT"),
    "a server without a scheme": (server(server="127.0.0.1:6443"), "no URL like https://HOST:PORT"),
    "half an IPv6 address": (server(server="https://[::1"), "no URL like https://HOST:PORT"),
    "a bad port": (server(server="https://a:99999"), "no URL like https://HOST:PORT"),
    "a bad proxy": (server(**{"proxy-url": "socks"}), "the proxy-url of its cluster 'c' is 'socks'"),
}
"""Contents of files that are rejected without a login."""

LOGINS: dict[str, tuple[dict[str, Any], str]] = {
    "a CA that is not PEM": (server(**{"certificate-authority-data": "aGVsbG8="}), "a CA, a certificate or a key"),
    "a CA that is not base64": (server(**{"certificate-authority-data": "a"}), "the base64 of a certificate or a key"),
    "a CA that is a number": (server(**{"certificate-authority-data": 5}), "has a wrong type"),
    "a missing CA": (server(**{"certificate-authority": "gone"}), "gone"),
    "a certificate that is not PEM": (
        config(user={"client-certificate-data": "aGVsbG8=", "client-key-data": "aGVsbG8="}),
        "a CA, a certificate or a key is not PEM",
    ),
    "no credentials": (config(user={}), "it gives the user 'u' no credentials"),
    "a missing file of a token": (config(user={"tokenFile": "/gone"}), "/gone"),
    "a missing plugin": (plugin(command="no-such-plugin"), "no credentials: [Errno 2] No such file or directory"),
    "a failing plugin": (plugin(command="false"), "no credentials: exec: process returned 1"),
    "a plugin without an answer": (plugin(command="true"), "no credentials: exec: failed to decode process output"),
    "a plugin with another answer": (plugin(command="echo", args=["{}"]), "missing key 'apiVersion'"),
    "no command of a plugin": (plugin(), "missing key 'command'"),
    "a provider without settings": (config(user={"auth-provider": {"name": "oidc"}}), "oidc"),
    "a provider that is a text": (config(user={"auth-provider": ["name"]}), "has a wrong type"),
}


def written(folder: Path, content: bytes | dict[str, Any]) -> Path:
    path = folder / "config"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def assert_one_line_with_a_remedy(path: Path, message: str) -> None:
    assert message.startswith(f"{path}: ")
    assert message.endswith(f"; correct the file until `kubectl --kubeconfig {path} cluster-info` works")
    assert message.isprintable()


@pytest.mark.parametrize("name", FILES)
def test_an_unusable_kubeconfig_is_rejected_before_anything_starts(tmp_path: Path, name: str) -> None:
    content, complaint = FILES[name]
    path = written(tmp_path, content)
    with pytest.raises(SourceError) as error:
        Access(path).namespace()
    assert_one_line_with_a_remedy(path, str(error.value))
    assert complaint in str(error.value)


@pytest.mark.parametrize("name", LOGINS)
async def test_unusable_credentials_are_rejected(tmp_path: Path, name: str, capfd: pytest.CaptureFixture[str]) -> None:
    content, complaint = LOGINS[name]
    path = written(tmp_path, content)
    with pytest.raises(SourceError) as error:
        await ApiClient.create(Access(path))
    assert_one_line_with_a_remedy(path, str(error.value))
    assert complaint in str(error.value)
    assert capfd.readouterr() == ("", "")


def test_an_unreadable_kubeconfig_is_rejected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(_: Path) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    path = written(tmp_path, config())
    monkeypatch.setattr(Path, "read_bytes", forbid)
    with pytest.raises(SourceError, match="it can't be read: Permission denied"):
        Access(path).namespace()


def test_the_first_entry_of_a_name_counts_as_in_kubectl(tmp_path: Path) -> None:
    users = [{"name": "u", "user": {"token": "first"}}, {"name": "u", "user": {"token": "second"}}]
    context = {"cluster": "c", "user": "u", "namespace": "n"}
    found = Kubeconfig.read(written(tmp_path, config(users=users, context=context)))
    assert found.document["users"] == users[:1]
    assert (found.server, found.user, found.namespace) == ("https://127.0.0.1:1", "u", "n")


@pytest.mark.parametrize("name", ["missing", "a folder", "an unknown context", "a failing plugin"])
def test_serve_with_an_unusable_kubeconfig_is_one_line(tmp_path: Path, name: str) -> None:
    content = {**FILES, **LOGINS}.get(name, (b"", ""))[0]
    path = tmp_path if name == "a folder" else tmp_path / "gone" if name == "missing" else written(tmp_path, content)
    command = [sys.executable, "-m", "xds", "serve", "--kubeconfig", str(path), "--log-format", "json"]
    ports = ("--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--ui", "off")
    done = subprocess.run(
        [*command, *ports], capture_output=True, text=True, check=False, timeout=2 * WAIT_LIMIT_SECONDS
    )
    errors = [line for line in done.stderr.splitlines() if not line.startswith("{")]
    assert (done.returncode, done.stdout, len(errors)) == (3, "", 1)
    assert_one_line_with_a_remedy(path, errors[0].removeprefix("xds: "))
