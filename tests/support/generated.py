"""Compiles protos/ into xds/api/, and writes xds/envoyapi/constraints.json, docs/problems.md,
docs/annotations.md, docs/configmap.md, docs/surprises.md, docs/pypi.md, rules and dashboards in k8s/monitoring, the
schema of values and README.md of the Helm chart, the version of pyproject.toml where other files repeat it, and the
manifests for kustomize, where there is helm.

With --check nothing is written: outdated files are listed, and the exit code is 1.
"""

import sys
import tempfile
from pathlib import Path
from typing import Final

from grpc_tools import _proto, protoc

from tests.support import (
    annotation_table,
    chart_readme,
    chart_schema,
    config_key_table,
    constraints,
    kustomize_tree,
    package_page,
    problem_table,
    prometheus_rule,
    release_version,
    surprise_table,
)
from tests.support.dashboards import control_plane, fleet, ingresses
from xds.envoyapi.constraints import TABLE_PATH

ROOT: Final = Path(__file__).parents[2]
PROTOS: Final = ROOT / "protos"
PAGES: Final = (
    *(problem_table, annotation_table, config_key_table, surprise_table),
    *(prometheus_rule, chart_schema, chart_readme, package_page),
)
DASHBOARDS: Final = (fleet.DASHBOARD, control_plane.DASHBOARD, ingresses.DASHBOARD)


def main() -> None:
    if "--check" not in sys.argv[1:]:
        compile_into(ROOT)
        for path, text in release_version.texts().items():  # first: others read these files
            path.write_text(text)
        TABLE_PATH.write_text(constraints.text())
        for page in PAGES:
            page.PAGE.write_text(page.text())
        for dashboard in DASHBOARDS:
            dashboard.page.write_text(dashboard.text())
        for path, text in rendered().items():
            path.write_text(text)
        return
    stale = differences()
    for path in stale:
        print(f"{path} is not what it is made from; run `make generate`")
    sys.exit(1 if stale else 0)


def compile_into(folder: Path) -> None:
    """Write the modules of every proto below `folder`."""
    files = [str(path) for path in sorted(PROTOS.rglob("*.proto"))]
    outputs = [f"--{kind}={folder}" for kind in ("python_out", "pyi_out", "grpc_python_out")]
    well_known = Path(_proto.__path__[0])
    if protoc.main(["protoc", f"-I{PROTOS}", f"-I{well_known}", *outputs, *files]):
        sys.exit("protoc failed; it says above why")


def differences() -> list[Path]:
    """The generated files, relative to the root of the checkout, that differ from a new generation."""
    with tempfile.TemporaryDirectory() as temporary:
        compile_into(Path(temporary))
        fresh = {path.relative_to(temporary): path.read_bytes() for path in Path(temporary).rglob("*_pb2*")}
    fresh |= {path.relative_to(ROOT): text.encode() for path, text in release_version.texts().items()}
    fresh[TABLE_PATH.relative_to(ROOT)] = constraints.text().encode()
    fresh |= {page.PAGE.relative_to(ROOT): page.text().encode() for page in PAGES}
    fresh |= {each.page.relative_to(ROOT): each.text().encode() for each in DASHBOARDS}
    fresh |= {path.relative_to(ROOT): text.encode() for path, text in rendered().items()}
    return [path for path, content in fresh.items() if not _is(ROOT / path, content)]


def rendered() -> dict[Path, str]:
    """The manifests for kustomize, which the chart's other generated files come before; empty without helm."""
    if reason := kustomize_tree.absent():
        print(f"k8s/ is not compared with the chart: {reason}")
        return {}
    return kustomize_tree.texts()


def _is(path: Path, content: bytes) -> bool:
    return path.exists() and path.read_bytes() == content


if __name__ == "__main__":
    main()
