"""Defaults of annotations: the values of Ingresses without the annotation."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

NO_DEFAULTS: Final[Mapping[str, str]] = MappingProxyType({})
"""The defaults of each family count."""

INGRESS_NGINX: Final[Mapping[str, str]] = MappingProxyType(
    {
        "proxy-body-size": "1m",
        "proxy-connect-timeout": "5",
        "proxy-next-upstream": "error timeout",
        "proxy-next-upstream-timeout": "0",
        "proxy-next-upstream-tries": "3",
        "proxy-read-timeout": "60",
        "proxy-send-timeout": "60",
        "ssl-redirect": "true",
    }
)
"""The defaults of ingress-nginx that differ from the families' own, by name without the prefix. Source:
https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/internal/ingress/controller/config/config.go
"""
