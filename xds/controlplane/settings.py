"""Settings of `xds serve`, from flags and environment variables."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from xds.address import HostPort
from xds.kube.ingress_class import ClassOptions
from xds.kube.state import DEFAULT_CLASSES
from xds.kubeapi.kubeconfig import Access
from xds.reporting.status import PublishOptions
from xds.resources.options import ProxyOptions
from xds.server.tls import TlsFiles
from xds.translate.options import TranslateOptions
from xds.ui.options import UiOptions


@dataclass(frozen=True, slots=True)
class ClusterSource:
    """An API server.

    Attributes:
        namespaces: Namespaces to read; empty: all.
    """

    access: Access
    namespaces: tuple[str, ...] = ()

    def __str__(self) -> str:
        return str(self.access)


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings of one server.

    Attributes:
        source: An API server, or a folder of manifests.
        listen: `HOST:PORT` or `unix:PATH` of ADS and the debug API. Port 0 lets the system choose.
        admin: `HOST:PORT` of probes and metrics. Port 0 lets the system choose.
        ui: The page; None: there is none.
        tls: Mutual TLS for `listen`; None: plaintext.
        operators: Certificate names that may use the debug API; empty: every certificate may.
        peers: The addresses of the other replicas' `listen`, which may resolve to several.
        publish: Addresses written to the status of Ingresses.
        lease_name: The Lease of the replica that writes; empty: by the classes.
        flags: All flags as given or by default, by name, for bug reports.
    """

    source: Path | ClusterSource
    translate: TranslateOptions
    proxy: ProxyOptions
    listen: str = "127.0.0.1:18000"
    admin: str = "127.0.0.1:18001"
    ui: UiOptions | None = None
    tls: TlsFiles | None = None
    operators: frozenset[str] = frozenset()
    peers: tuple[HostPort, ...] = ()
    classes: ClassOptions = DEFAULT_CLASSES
    publish: PublishOptions = field(default_factory=PublishOptions)
    lease_name: str = ""
    log_level: str = "info"
    log_format: str = "auto"
    flags: Mapping[str, str] = field(default_factory=dict)
