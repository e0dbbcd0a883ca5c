"""The registry: every key of ingress-nginx's ConfigMap, once."""

from collections.abc import Mapping
from typing import Final

from xds.translate.nginx.configmap import access, access_log, headers, nginx_only, observation, streams, tls, traffic
from xds.translate.nginx.configmap.key import AnyKey

KEYS: Final[Mapping[str, AnyKey]] = {
    key.name: key
    for section in (traffic, streams, headers, access, tls, observation, access_log, nginx_only)
    for key in section.KEYS
}
"""By name. Source of the names:
https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/docs/user-guide/nginx-configuration/configmap.md
"""
