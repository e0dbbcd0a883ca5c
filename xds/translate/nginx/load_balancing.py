"""load-balance, upstream-hash-by and service-upstream: the choice of an endpoint."""

import re
from typing import Final

from xds.problems.reasons import Reason
from xds.problems.text import shown
from xds.traffic.hashing import HashKey, HashPart
from xds.traffic.upstream import Balancing
from xds.translate.nginx.annotation import Annotation, Verdict
from xds.translate.nginx.grammars import BOOLEAN, matching, one_of
from xds.translate.nginx.reader import AnnotationReader

_FAMILY: Final = "load balancing"

_WITHOUT_EFFECT: Final = ("chash", "chashsubset", "sticky_balanced", "sticky_persistent")
"""Words of ingress-nginx for the balancers of other annotations; alone, each means round robin."""

LOAD_BALANCE: Final = Annotation(
    "load-balance",
    _FAMILY,
    one_of("round_robin", "ewma", *_WITHOUT_EFFECT),
    "round_robin",
    verdict=Verdict.APPROXIMATE,
    note="ewma weighs the requests in progress at two endpoints, not the times of their answers; the oldest Ingress of "
    "a Service's port doesn't decide for the others",
)
HASH_BY: Final = Annotation(
    "upstream-hash-by",
    _FAMILY,
    matching("text of letters, digits, - and _, and variables like $http_x_user", r"[A-Za-z0-9_${}-]+"),
    verdict=Verdict.APPROXIMATE,
    note="requests without the key are spread, and not sent to one endpoint; keys belong to other endpoints than in "
    "ingress-nginx; the oldest Ingress of a Service's port doesn't decide for the others",
)
SERVICE_UPSTREAM: Final = Annotation("service-upstream", _FAMILY, BOOLEAN, "false")
ANNOTATIONS: Final = (LOAD_BALANCE, HASH_BY, SERVICE_UPSTREAM)

MAX_HASH_KEYS: Final = 8
"""Each key is computed for each request."""

_VARIABLE: Final = re.compile(r"\$(?:\{(?P<braced>[0-9A-Za-z_]+)\}|(?P<plain>[0-9A-Za-z_]+))")
"""A dollar sign without a name is text. Source:
https://github.com/kubernetes/ingress-nginx/blob/controller-v1.15.1/rootfs/etc/nginx/lua/util.lua
"""

_VARIABLES: Final = {
    **dict.fromkeys(("remote_addr", "binary_remote_addr"), HashKey(HashPart.CLIENT_ADDRESS)),
    **dict.fromkeys(("uri", "document_uri"), HashKey(HashPart.PATH)),
    **dict.fromkeys(("args", "query_string"), HashKey(HashPart.QUERY)),
    **dict.fromkeys(("host", "http_host", "server_name"), HashKey(HashPart.HOST)),
    **dict.fromkeys(("scheme", "server_port"), HashKey(HashPart.NOTHING)),
    "request_uri": HashKey(HashPart.TARGET),
    "request_method": HashKey(HashPart.METHOD),
}

_NAMED_VARIABLES: Final = {
    "http_": HashPart.HEADER,
    "cookie_": HashPart.COOKIE,
    "arg_": HashPart.QUERY_PARAMETER,
}
"""By the prefix in front of the name."""


def read(reader: AnnotationReader) -> tuple[Balancing, tuple[HashKey, ...]]:
    """The balancing, and the keys of requests to balance by. A hash precedes load-balance."""
    keys = _hash_keys(reader)
    word = reader.get(LOAD_BALANCE)
    if word in _WITHOUT_EFFECT:
        message = f"load-balance is {shown(word)}, which alone means round robin in ingress-nginx, and here"
        remedy = "Write round_robin, or remove the annotation. upstream-hash-by and affinity need no load-balance."
        reader.report(LOAD_BALANCE.full_name, Reason.ANNOTATION_UNSUPPORTED, message, remedy)
    if keys:
        return Balancing.HASH, keys
    return Balancing.LEAST_REQUEST if word == "ewma" else Balancing.ROUND_ROBIN, ()


def uses_cluster_ip(reader: AnnotationReader) -> bool:
    return reader.get(SERVICE_UPSTREAM) is True


def _hash_keys(reader: AnnotationReader) -> tuple[HashKey, ...]:
    """The keys of upstream-hash-by; none, with a problem, if one isn't known here."""
    text = reader.get(HASH_BY)
    if text is None:
        return ()
    names = dict.fromkeys(found["braced"] or found["plain"] for found in _VARIABLE.finditer(text))
    keys = {name: _hash_key(name) for name in names}
    unknown = next((name for name, key in keys.items() if key is None), None)
    if unknown is not None or len(keys) > MAX_HASH_KEYS:
        why = f"${unknown} is no key here" if unknown else f"more than {MAX_HASH_KEYS} variables"
        message = f"upstream-hash-by is {shown(text)}, and {shown(why)[1:-1]}; requests are spread round robin"
        reader.report(HASH_BY.full_name, Reason.ANNOTATION_UNSUPPORTED, message, _KNOWN_KEYS)
        return ()
    # Text is the same for all requests, and so are keys of NOTHING: either counts only where there is nothing else.
    varying = dict.fromkeys(key for key in keys.values() if key and key.part is not HashPart.NOTHING)
    return tuple(varying) or (HashKey(HashPart.NOTHING),)


_KNOWN_KEYS: Final = (
    "Use $remote_addr, $http_NAME, $cookie_NAME, $arg_NAME, $request_uri, $uri, $args, $host or $request_method."
)


def _hash_key(variable: str) -> HashKey | None:
    if known := _VARIABLES.get(variable):
        return known
    for prefix, part in _NAMED_VARIABLES.items():
        name = variable.removeprefix(prefix)
        if name and name != variable:
            return HashKey(part, name.lower().replace("_", "-") if part is HashPart.HEADER else name)
    return None
