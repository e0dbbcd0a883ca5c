"""What `xds serve` was told, by flags and environment variables."""

from dataclasses import dataclass, field
from pathlib import Path

from xds.kubeapi.client import Access
from xds.reporting.status import Publish
from xds.resources.options import ProxyOptions
from xds.server.tls import TlsFiles
from xds.translate.translator import TranslateOptions


@dataclass(frozen=True, slots=True)
class ClusterSource:
    """An API server; without namespaces: all of them."""

    access: Access
    namespaces: tuple[str, ...] = ()

    def __str__(self) -> str:
        return str(self.access)


@dataclass(frozen=True, slots=True)
class Settings:
    """`listen` is `HOST:PORT` or `unix:PATH`, `admin` is `HOST:PORT`; port 0 lets the system choose.

    `source` is an API server, or a folder of manifests. `tls` is for `listen`; None: plaintext. `publish` is what the
    status of Ingresses is to say.
    """

    source: Path | ClusterSource
    translate: TranslateOptions
    proxy: ProxyOptions
    listen: str = "127.0.0.1:18000"
    admin: str = "127.0.0.1:18001"
    tls: TlsFiles | None = None
    ingress_class: str = "envoy"
    publish: Publish = field(default_factory=Publish)
    log_level: str = "info"
    log_format: str = "auto"
