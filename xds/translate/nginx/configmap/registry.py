"""The registry: every key of ingress-nginx's ConfigMap, once."""

import difflib
from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from xds.translate.nginx.configmap import access, access_log, headers, nginx_only, observation, tls, traffic
from xds.translate.nginx.configmap.key import AnyKey

KEYS: Final[Mapping[str, AnyKey]] = {
    key.name: key
    for section in (traffic, headers, access, tls, observation, access_log, nginx_only)
    for key in section.KEYS
}
"""By name. Source of the names:
https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/docs/user-guide/nginx-configuration/configmap.md
"""


@lru_cache(maxsize=1024)
def nearest(name: str) -> str:
    """The key that a misspelt one is most like; empty if none is like it. Takes milliseconds."""
    return next(iter(difflib.get_close_matches(name[:80], KEYS, n=1)), "")
