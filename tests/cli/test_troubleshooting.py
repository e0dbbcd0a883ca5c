"""The outputs in docs/troubleshooting.md, from a real `xds serve` on the objects of tests/support/troubles.

Excludes: commands of kubectl, and the commands without a `$` before them (tests/chart/test_guides.py).
"""

import asyncio
import base64
import shlex
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.support.envoy import free_port
from tests.support.objects import authorities, certificate, manifest, password_file, secret
from tests.support.transcripts import Transcript, difference, transcripts
from tests.support.waiting import until
from xds.cli.main import run

ROOT: Final = Path(__file__).parents[2]
DOCUMENT: Final = ROOT / "docs" / "troubleshooting.md"
SHOWN: Final = list(transcripts(DOCUMENT))

SECRETS: Final = (
    secret("shop-tls", certificate("shop.example.com")),
    secret("partners-tls", certificate("partners.example.com")),
    password_file("me:{SHA}nU4eI71bcnBGqeO0t9tXvY1u5oQ=", "members"),
    authorities("partners-ca"),
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("troubles")
    shutil.copytree(ROOT / "tests" / "support" / "troubles", folder / "objects")
    (folder / "objects" / "secrets.yaml").write_text(yaml.safe_dump_all([encoded(manifest(each)) for each in SECRETS]))
    listen, admin = f"unix:{folder}/ads", f"127.0.0.1:{free_port()}"
    flags = ["--from", str(folder / "objects"), "--listen", listen, "--admin", admin, "--ui", "off"]
    flags += ["--tcp-services-configmap", "edge/tcp"]
    with (folder / "serve.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "xds", "serve", *flags], stdout=log, stderr=log)
    try:
        asyncio.run(until(lambda: is_ready(admin)))
        yield listen
    finally:
        process.terminate()
        process.wait()


def encoded(value: Any) -> Any:
    """The document with data of Secrets in base64."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return {name: encoded(each) for name, each in value.items()} if isinstance(value, dict) else value


def is_ready(admin: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://{admin}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


@pytest.mark.parametrize("shown", SHOWN, ids=lambda shown: shown.command.removeprefix("kubectl xds "))
def test_the_output_in_the_document_is_real(server: str, shown: Transcript, capfd: pytest.CaptureFixture[str]) -> None:
    program, plugin, *arguments = shlex.split(shown.command)
    assert (program, plugin, bool(shown.output)) == ("kubectl", "xds", True)
    assert run([*arguments, "--server", server]) == 0
    assert not (wrong := difference(shown, capfd.readouterr().out)), wrong


def test_the_document_shows_outputs() -> None:
    assert len(SHOWN) >= 10
