"""The tree of the image, built by the script of the Dockerfile (k8s/image/tree.py) from the lock: every command of xds
runs in the tree, so no part that a command loads was left out; and two builds are equal.

Excludes: the base image, the user and the entry point, which need a builder of images (tests/release/test_dockerfile.py
reads the Dockerfile). Needs the package index.
"""

import asyncio
import contextlib
import hashlib
import shutil
import subprocess
import sysconfig
import tomllib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import image_tree
from tests.support.envoy import DEPLOYED, free_port
from tests.support.envoy_binary import BINARY, MISSING_REASON
from tests.support.http import get
from tests.support.image_tree import ImageTree
from tests.support.waiting import WAIT_LIMIT_SECONDS
from xds.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
DEMO = ROOT / "k8s" / "demo"

pytestmark = [pytest.mark.release, pytest.mark.timeout(1800), pytest.mark.xdist_group("image tree")]

MOST_MEGABYTES = 115
"""Of the files of the tree; all of the dependencies' files have 185 MB without bytecode, and 300 MB with."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> ImageTree:
    return image_tree.built(tmp_path_factory.mktemp("image"))


@dataclass(frozen=True, slots=True)
class Server:
    """`xds serve` of the tree, with the manifests of the demo."""

    target: str
    http_port: int


@pytest.fixture
async def server(tree: ImageTree, tmp_path: Path) -> AsyncIterator[Server]:
    async with _serving(tree, tmp_path) as running:
        yield running


@contextlib.asynccontextmanager
async def _serving(tree: ImageTree, folder: Path) -> AsyncIterator[Server]:
    manifests = shutil.copytree(DEMO, folder / "manifests", ignore=shutil.ignore_patterns("later"))
    port, admin, http_port = free_port(), free_port(), free_port()
    words = ["serve", "--from", str(manifests), "--listen", f"127.0.0.1:{port}", "--admin", f"127.0.0.1:{admin}"]
    words += ["--http-port", str(http_port), "--https-port", str(free_port()), "--ui", "off", "--log-format", "json"]
    log = (folder / "log").open("wb")
    process = await asyncio.create_subprocess_exec(tree.xds, *words, stderr=log, env=tree.environment)
    try:
        await _until_ready(process, admin, folder / "log")
        yield Server(f"127.0.0.1:{port}", http_port)
    finally:
        if process.returncode is None:
            process.terminate()
        code = await process.wait()
        log.close()
    assert code == 0, (folder / "log").read_text()


async def _until_ready(process: asyncio.subprocess.Process, admin: int, log: Path) -> None:
    async with asyncio.timeout(2 * WAIT_LIMIT_SECONDS):
        while True:
            assert process.returncode is None, f"see {log}"
            with contextlib.suppress(OSError):
                if (await get(admin, "localhost", "/readyz")).status == 200:
                    return
            await asyncio.sleep(0.05)


def test_every_command_has_help(tree: ImageTree) -> None:
    listed = tree.run("--help")
    for name in COMMANDS:
        assert name in listed
        assert tree.run(name, "--help").startswith(f"Usage: xds {name}")


def test_the_version_is_that_of_the_project(tree: ImageTree) -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert version in tree.run("--version")


def test_every_module_can_be_imported(tree: ImageTree) -> None:
    code = "[importlib.import_module(m.name) for m in pkgutil.walk_packages(xds.__path__, 'xds.')]"
    python = [str(tree.folder / "bin" / "python"), "-c", f"import importlib, pkgutil, xds; {code}"]
    subprocess.run(python, check=True, env=tree.environment, cwd=tree.folder, timeout=300)


def test_the_commands_on_manifests(tree: ImageTree) -> None:
    assert "/shop.localhost" in tree.run("translate", DEMO, code=1)  # a mistake of the demo
    assert "shop" in tree.run("migrate", DEMO)
    assert "BackendNotFound" in tree.run("lint", DEMO / "later", code=1)


async def test_the_questions_to_a_server(tree: ImageTree, server: Server, tmp_path: Path) -> None:
    archive = tmp_path / "report.tar.gz"
    questions: dict[str, tuple[str, ...]] = {
        "status": (),
        "ingresses": (),
        "proxies": (),
        "problems": (),
        "snapshot": ("show",),
        "why": ("ingress", "default/shop"),
        "explain": ("http://shop.localhost/",),
        "collect": ("--output", str(archive)),
    }
    for name, words in questions.items():
        await asyncio.to_thread(tree.run, name, *words, "--server", server.target)
    assert archive.exists()


@pytest.mark.skipif(not BINARY.exists(), reason=MISSING_REASON)
async def test_an_envoy_with_the_bootstrap_of_the_tree(tree: ImageTree, server: Server, tmp_path: Path) -> None:
    words = ("bootstrap", "--xds", server.target, "--node-id", "one", "--admin-port", str(free_port()))
    config = tmp_path / "envoy.yaml"
    config.write_text(await asyncio.to_thread(tree.run, *words))
    with (tmp_path / "envoy.log").open("wb") as log:
        command = (BINARY, "-c", config, "--concurrency", "1", "--use-dynamic-base-id", *DEPLOYED)
        envoy = await asyncio.create_subprocess_exec(*command, stdout=log, stderr=log)
    try:
        async with asyncio.timeout(WAIT_LIMIT_SECONDS):
            while (await _status(server, "shop.localhost")) != 503:  # the demo's manifests have no endpoints
                await asyncio.sleep(0.05)
        assert await _status(server, "other.example") == 404
    finally:
        envoy.kill()
        await envoy.wait()


async def _status(server: Server, host: str) -> int:
    try:
        return (await get(server.http_port, host)).status
    except OSError:
        return 0


async def test_the_authorizer(tree: ImageTree, tmp_path: Path) -> None:
    admin = free_port()
    words = ("authz", "--listen", f"unix:{tmp_path}/authz.sock", "--admin", f"127.0.0.1:{admin}")
    with (tmp_path / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(tree.xds, *words, stderr=log, env=tree.environment)
    try:
        await _until_ready(process, admin, tmp_path / "log")
    finally:
        process.terminate()
        assert await process.wait() == 0, (tmp_path / "log").read_text()


def test_logins_to_an_api_server(tree: ImageTree) -> None:
    """With each kind of credentials: the tests of xds/kubeapi, whose `kubernetes` is the tree's."""
    code = "import sys; sys.path.append(sys.argv.pop(1)); import pytest; sys.exit(pytest.main())"
    rooms = ("tests/kubeapi", "tests/cli/test_kubeconfig.py")
    command = [str(tree.folder / "bin" / "python"), "-c", code, sysconfig.get_path("purelib")]
    options = ("-q", "-n", "0", "-p", "no:cacheprovider")
    done = subprocess.run(
        [*command, *options, *rooms],
        env=tree.environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout[-5000:]
    assert " passed" in done.stdout


def test_the_tree_is_small_and_has_no_time_of_its_build(tree: ImageTree) -> None:
    files = [path for path in tree.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert sum(path.stat().st_size for path in files) < MOST_MEGABYTES * 1_000_000
    assert {path.lstat().st_mtime for path in [tree.folder, *tree.folder.rglob("*")]} == {1_700_000_000.0}
    bytecode = [path for path in files if path.suffix == ".pyc"]
    assert bytecode
    assert {path.read_bytes()[4] for path in bytecode} == {1}, "bytecode is not checked against the time of its source"


def test_two_builds_are_equal(tree: ImageTree) -> None:
    first = tree.folder.rename(tree.folder.with_name("first"))
    tree.installed.rename(tree.folder)
    image_tree.run_step(tree, "finish")
    assert _files(first) == _files(tree.folder)


def _files(folder: Path) -> dict[str, str]:
    """The digest of each file, and the target of each link."""
    found = {}
    for path in folder.rglob("*"):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found[name] = str(path.readlink())
        elif path.is_file():
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found
