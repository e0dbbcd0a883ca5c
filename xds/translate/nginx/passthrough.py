"""ssl-passthrough: connections of the hosts go to the Service of `/` undecrypted.

A bad value closes the connections, because the proxy may not decrypt what was meant to be passed through. Source:
https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/internal/ingress/annotations/sslpassthrough/main.go
"""

from typing import Final

from xds.translate.nginx.annotation import Annotation, AnyAnnotation, Scope, Verdict
from xds.translate.nginx.grammars import BOOLEAN

PASSTHROUGH: Final = Annotation(
    "ssl-passthrough",
    "passthrough",
    BOOLEAN,
    "false",
    Scope.HOST,
    Verdict.APPROXIMATE,
    "needs --enable-ssl-passthrough; address lists hold, wildcards stand for one label, aliases are passed through "
    "too, a bad value closes the TLS connections of the hosts, and no annotation changes the TLS of a host whose "
    "oldest Ingress is of another namespace or whose TLS an older Ingress terminates",
)
ANNOTATIONS: Final[tuple[AnyAnnotation, ...]] = (PASSTHROUGH,)
