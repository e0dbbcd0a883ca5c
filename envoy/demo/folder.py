"""The working folder: manifests for the control plane, certificates, bootstraps and logs."""

import base64
import shutil
import tempfile
from pathlib import Path
from types import TracebackType

from backends import SERVICES, Backends, Place
from certificates import Issued

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCE = REPOSITORY / "k8s" / "demo"
LATER = SOURCE / "later"
"""Manifests that the tour adds later."""

SLICE = """\
# The endpoints of Service {service}: echo backends of the demo. In a cluster, Kubernetes writes EndpointSlices.
# Remove a line, or set ready to false, and watch the fleet follow.
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata:
  name: {name}
  labels: {{kubernetes.io/service-name: {service}}}
addressType: IPv4
ports:
  - {{name: http, port: {port}}}
endpoints:
{endpoints}
"""

ENDPOINT = "  - {{addresses: [{address}], conditions: {{ready: true}}}}  # {name}"

CERTIFICATE = """\
# Made by the demo.
apiVersion: v1
kind: Secret
metadata:
  name: {name}
type: kubernetes.io/tls
data:
  tls.crt: {chain}
  tls.key: {key}
"""


class WorkingFolder:
    """A temporary folder, removed at the end unless the demo failed: then the logs are needed."""

    def __init__(self) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="xds-demo-"))
        self.manifests = self.root / "manifests"
        self.logs = self.root / "logs"
        self.authority = self.root / "ca.pem"
        self.tls = self.root / "tls"
        self.keep = False
        self.logs.mkdir()

    def __enter__(self) -> "WorkingFolder":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if not self.keep:
            shutil.rmtree(self.root, ignore_errors=True)

    def fill(self, backends: Backends, certificate: Issued) -> None:
        """Write the manifests for the start of the tour."""
        shutil.copytree(SOURCE, self.manifests, ignore=shutil.ignore_patterns(LATER.name))
        for service in SERVICES:
            self.write(f"endpoints-{service}.yaml", endpoint_slices(service, backends.places(service)))
        self.authority.write_bytes(certificate.authority)
        self.write("secure-tls.yaml", tls_secret("secure-localhost", certificate), mode=0o600)

    def write(self, name: str, text: str, mode: int = 0o644) -> None:
        """Write a manifest by rename, so that no reader sees half a file. Names with a leading dot are ignored."""
        unfinished = self.manifests / f".{name}.new"
        unfinished.touch(mode)
        unfinished.write_text(text, encoding="utf-8")
        unfinished.replace(self.manifests / name)

    def remove(self, name: str) -> None:
        (self.manifests / name).unlink()


def endpoint_slices(service: str, places: list[Place]) -> str:
    """The manifest of a Service's endpoints: an EndpointSlice for each port."""
    by_port: dict[int, list[Place]] = {}
    for place in places:
        by_port.setdefault(place.port, []).append(place)
    return "---\n".join(
        SLICE.format(
            service=service,
            name=f"{service}-slice" if number == 1 else f"{service}-slice-{number}",
            port=port,
            endpoints="\n".join(ENDPOINT.format(address=place.address, name=place.name) for place in some),
        )
        for number, (port, some) in enumerate(by_port.items(), 1)
    )


def tls_secret(name: str, certificate: Issued) -> str:
    chain, key = (base64.b64encode(each).decode() for each in (certificate.chain, certificate.private_key))
    return CERTIFICATE.format(name=name, chain=chain, key=key)
