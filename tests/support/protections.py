"""Protections of hosts, and the ways in which the input of each can be bad, missing, changed, slow or late."""

import base64
import functools
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.support.authority import Authority
from tests.support.objects import (
    authorities,
    certificate,
    config_map,
    password_file,
    secret,
    secret_of,
    service,
)
from tests.support.odd_authorizer import DECIDES, LATE, ODD, RIGHT, OddAuthorizer
from tests.support.protection import Protection, Way
from xds.kube.objects import ConfigMap, KubeObject, Metadata

INSIDE: Final = {"x-forwarded-for": "198.51.100.9"}
OUTSIDE: Final = {"x-forwarded-for": "203.0.113.9"}
INSIDE_LIST: Final = "198.51.100.0/24"
OUTSIDE_LIST: Final = "203.0.113.0/24"

BCRYPT: Final = "$2y$05$abcdefghijklmnopqrstuuOQiyCxlgf/oeuTqixKmWdcYUh4Hjl0a"
SHA: Final = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ="
OTHER_SHA: Final = "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="  # of "password"

CA, OTHER_CA, FOREIGN_CA = Authority("ca"), Authority("other"), Authority("foreign")
CERTIFICATE: Final = secret("cert", certificate("*.test"))
OTHER_CERTIFICATE: Final = secret("other-cert", certificate("*.test", serial=7))


def basic(password: str) -> dict[str, str]:
    return {"authorization": "Basic " + base64.b64encode(f"alice:{password}".encode()).decode()}


def _values(of: Protection, name: str, *values: str | None) -> Iterator[Way]:
    """Bad values of an annotation."""
    for value in values:
        shown = "absent" if value is None else repr(value if len(value) < 40 else value[:30] + "...")
        changed: dict[str, Any] = {name: value}
        yield Way(f"{name.replace('_', '-')} {shown}", (of.ingress(**changed),))


def _back(of: Protection, name: str = "good again", **others: Any) -> Way:
    return Way(name, (of.ingress(),), lets_in=of.binds_clients, **others)


ALLOW: Final = Protection("allow", {"whitelist_source_range": INSIDE_LIST}, INSIDE, OUTSIDE)
DENY: Final = Protection("deny", {"denylist_source_range": OUTSIDE_LIST}, INSIDE, OUTSIDE, has_common_ways=False)

BAD_LISTS: Final = (
    "",
    " ",
    ",",
    f"{INSIDE_LIST},",
    f"{INSIDE_LIST},x",
    "0.0.0.0/33",
    "198.51.100.0/24 0.0.0.0/0",
    "all",
)
LONG_LIST: Final = ",".join(f"{20 + n // 65536}.{n // 256 % 256}.{n % 256}.0/24" for n in range(0, 20_004, 2))


def lists() -> Iterator[Protection]:
    old = ALLOW
    yield old.with_ways(
        *_values(old, "whitelist_source_range", *BAD_LISTS, LONG_LIST),
        _back(old),
        Way("another list", (old.ingress(whitelist_source_range="198.51.0.0/16,2001:db8::/32"),), lets_in=True),
        Way("the new name beside, bad", (old.ingress(allowlist_source_range="x"),)),
        Way(
            "the new name alone",
            (old.ingress(whitelist_source_range=None, allowlist_source_range=INSIDE_LIST),),
            lets_in=True,
        ),
        *_values(old, "allowlist_source_range", "x,0.0.0.0/0"),
        _back(old),
    )
    yield DENY.with_ways(
        *_values(DENY, "denylist_source_range", *BAD_LISTS, LONG_LIST),
        _back(DENY),
        Way("another list", (DENY.ingress(denylist_source_range="203.0.0.0/8,10.0.0.0/8"),), lets_in=True),
        _back(DENY),
    )


def passwords(name: str, hash_: str, others: Mapping[str, str] | None = None) -> Protection:
    """`others`: further headers of all requests."""
    others = dict(others or {})
    users = password_file(f"alice:{hash_}\n", f"{name}-users")
    annotations = {"auth_type": "basic", "auth_secret": f"{name}-users", "auth_realm": "in"}
    found = Protection(name, annotations, basic("secret") | others, basic("wrong") | others, users)
    return found.with_ways(*_password_ways(found, users, basic("password") | others))


def _password_ways(of: Protection, users: KubeObject, right: Mapping[str, str]) -> Iterator[Way]:
    name = users.metadata.name
    yield from _values(of, "auth_type", "", "Basic", "digest", "basic,digest", None)
    yield from _values(of, "auth_secret", "", "nowhere", "../../users", "other/users", None)
    yield from _values(of, "auth_secret_type", "auth-files", "auth-map,auth-file")
    yield Way("auth-map of a file", (of.ingress(auth_secret_type="auth-map"),))
    yield from _values(of, "auth_realm", 'a"b', "a\r\nb", "$host")
    yield _back(of)
    yield Way("auth-realm off", (of.ingress(auth_realm="off"),), lets_in=True)
    yield Way("the Secret goes", gone=(users,))
    yield Way("the Secret comes back", (users,), lets_in=True)
    yield Way("the Secret without key", (secret_of(name, b"x", b"y"),))
    yield Way("an empty Secret", (secret_of(name, None, None),))
    yield Way("an empty file", (password_file("", name),))
    yield Way("a malformed file", (password_file(b"alice\n:\xff\n\0::::\nalice:wrong\n*:*\n", name),))
    yield Way("the password unhashed", (password_file("alice:wrong\n", name),))
    yield Way("a hash that can't be checked", (password_file("alice:abNANd1rDfiNc\n", name),))
    yield Way("a file of more than 1 MiB", (password_file("alice:{SHA}x\n" * 90_000, name),))
    yield Way("another password", (password_file(f"alice:{OTHER_SHA}\n", name),), lets_in=True, right=right)
    yield Way("another user", (password_file(f"bob:{OTHER_SHA}\n", name),))
    yield Way("the file again", (users,), lets_in=True)


def authorized(by: OddAuthorizer) -> Protection:
    headers = config_map(f"{by.name}-headers", X_Tenant="acme")
    url = f"http://{by.name}.default.svc.cluster.local/check"
    annotations = {"auth_url": url, "auth_proxy_set_headers": f"default/{by.name}-headers"}
    of = Protection("authorizer", annotations, RIGHT, {"x-right": "no"}, headers)
    return of.with_ways(*_authorizer_ways(of, headers, by))


def _authorizer_ways(of: Protection, headers: KubeObject, by: OddAuthorizer) -> Iterator[Way]:
    asked, slices = service(by.name), by.slices
    bad_urls = ("", "check", "http://", "http://127.0.0.1/", "http://169.254.169.254/", "http://a.test/$http_cookie")
    yield from _values(of, "auth_url", *bad_urls, "http://nobody.default.svc.cluster.local/", "ftp://auth/")
    yield from _values(of, "auth_method", "get", "GET\r\n", "BREW")
    yield from _values(of, "auth_response_headers", "X A", "X-A,X:B")
    yield from _values(of, "auth_proxy_set_headers", "auth-headers", "default/nowhere", "other/auth-headers")
    yield _back(of)
    for name, value in (
        ("auth_cache_duration", "x"),
        ("auth_request_redirect", "\r\n"),
        ("auth_always_set_cookie", "x"),
    ):
        yield Way(f"{name.replace('_', '-')} bad", (of.ingress(**{name: value}),), lets_in=True)
    yield _back(of)
    yield Way("the ConfigMap of headers goes", gone=(headers,))
    yield Way("the ConfigMap comes back", (headers,), lets_in=True)
    yield Way("the ConfigMap with a bad header", (config_map(headers.metadata.name, X_A="$host"),))
    yield Way("the ConfigMap is good again", (headers,), lets_in=True)
    yield Way("no endpoint", gone=(slices,))
    yield Way("an endpoint again", (slices,), lets_in=True)
    yield Way("the Service goes", gone=(asked,))
    yield Way("the Service comes back", (asked,), lets_in=True)
    yield Way("Service and endpoint go", gone=(asked, slices))
    yield Way("the endpoint comes first", (slices,))
    yield Way("then the Service", (asked,), lets_in=True)
    for mode in ODD:
        yield Way(f"it answers {mode}", act=functools.partial(by.become, mode))
    yield Way("it answers late", act=functools.partial(by.become, LATE), lets_in=True)
    yield Way("it decides again", act=functools.partial(by.become, DECIDES), lets_in=True)


def either(name: str, of: Protection) -> Protection:
    """satisfy: any, with an allow list."""
    annotations = {**of.annotations, "satisfy": "any", "whitelist_source_range": INSIDE_LIST}
    found = Protection(
        name,
        annotations,
        OUTSIDE | dict(of.right),
        OUTSIDE | dict(of.wrong),
        of.named,
        has_common_ways=bool(of.name != "authorizer"),
    )
    denied = {"denylist_source_range": OUTSIDE_LIST}
    ways = [*_values(found, "whitelist_source_range", "", "x"), _back(found)]
    ways += [
        Way("denied, with the right to pass", (found.ingress(**denied),), lets_in=True),
        Way(
            "denied from the list",
            (found.ingress(whitelist_source_range="0.0.0.0/0", denylist_source_range=OUTSIDE_LIST),),
            lets_in=True,
        ),
        Way("a bad deny list", (found.ingress(denylist_source_range="x"),)),
        Way("without a list", (found.ingress(whitelist_source_range=None),), lets_in=True),
        Way("satisfy bad, the address outside", (found.ingress(satisfy="some"),)),
        _back(found),
    ]
    if of.named:
        ways += [Way("the named object goes", gone=(of.named,)), Way("it comes back", (of.named,), lets_in=True)]
    return found.with_ways(*ways)


def client_certificates() -> Protection:
    good = authorities("client-ca", CA.pem)
    of = Protection("certificates", {"auth_tls_secret": "default/client-ca"}, named=good, takes_certificate=True)
    ways = (
        *_values(of, "auth_tls_secret", "client-ca", "default/nowhere", "other/client-ca"),
        _back(of),
        Way("auth-tls-verify-client bad", (of.ingress(auth_tls_verify_client="no"),), lets_in=True),
        *_values(of, "auth_tls_match_cn", "CN=(", "alice", "CN=bob"),
        _back(of),
        Way("the Secret goes", gone=(good,)),
        Way("the Secret comes back", (good,), lets_in=True),
        Way("the Secret without ca.crt", (secret("client-ca"),)),
        Way("a malformed ca.crt", (authorities("client-ca", b"no"),)),
        Way("an empty ca.crt", (authorities("client-ca", b""),)),
        Way("a malformed ca.crl", (authorities("client-ca", CA.pem, revoked=b"no"),)),
        Way("another authority", (authorities("client-ca", OTHER_CA.pem),)),
        Way("the authority again", (good,), lets_in=True),
    )
    return of.with_ways(*ways)


def snippets() -> Iterator[Protection]:
    for name, text in (
        ("configuration_snippet", "deny all;"),
        ("server_snippet", "auth_basic x;"),
        ("auth_snippet", "x"),
        ("enable_modsecurity", "true"),
    ):
        of = Protection(name.replace("_", "-"), {name: text}, binds_clients=False, has_common_ways=False)
        yield of.with_ways(*_values(of, name, "allow 10.0.0.0/8;\ndeny all;" if "snippet" in name else "maybe"))


def verified_backend() -> Protection:
    """Requests pass while the backend proves its identity by a certificate of `CA`. The Secret isn't there at first."""
    good = authorities("backend-ca", CA.pem)
    annotations = {"own_tls_verify": "backend-ca,name=secure.test", "backend_protocol": "HTTPS"}
    of = Protection("tls-verify", annotations, binds_clients=False, backend="secure", has_common_ways=False)
    right = Way("the right authority", (good, of.ingress()), opens=True)
    ways = (
        *_values(of, "own_tls_verify", "", "nowhere", "other/nowhere", "backend-ca,name=", "yes"),
        right,
        Way("another name", (of.ingress(own_tls_verify="backend-ca,name=other.test"),)),
        right,
        Way("the Secret goes", gone=(good,)),
        Way("the Secret without ca.crt", (secret("backend-ca"),)),
        Way("a malformed ca.crt", (authorities("backend-ca", b"no"),)),
        Way("another authority", (authorities("backend-ca", OTHER_CA.pem),)),
    )
    return of.with_ways(*ways)


CONFIG: Final = {
    "global-auth-url": "http://auth.default.svc.cluster.local/check",
    "whitelist-source-range": INSIDE_LIST,
    "denylist-source-range": "192.0.2.0/24",
}
"""Of ingress-nginx's ConfigMap."""


def config(**others: str) -> KubeObject:
    return config_map("nginx", **CONFIG | {name.replace("_", "-"): text for name, text in others.items()})


UNREADABLE_CONFIG: Final = ConfigMap(Metadata("nginx", "default"), None, "forbidden")


def config_ways(asked: KubeObject) -> Iterator[Way]:
    """Ways of the ConfigMap, and of the Service of its authorizer."""
    good = Way("the keys good again", (config(),), lets_in=True)
    for name, value in (
        ("global_auth_url", "check"),
        ("global_auth_url", "http://127.0.0.1/"),
        ("global_auth_url", "http://nobody.default.svc.cluster.local/"),
        ("global_auth_method", "BREW"),
        ("global_auth_response_headers", "X A"),
        ("whitelist_source_range", f"{INSIDE_LIST},0.0.0.0/33"),
        ("whitelist_source_range", "x"),
        ("denylist_source_range", "x"),
        ("http_snippet", "deny all;"),
    ):
        yield Way(f"{name.replace('_', '-')} {value!r}", (config(**{name: value}),))
    yield good
    yield Way("another list", (config(whitelist_source_range="198.51.0.0/16"),), lets_in=True)
    yield Way("global-auth-cache-duration bad", (config(global_auth_cache_duration="x"),), lets_in=True)
    yield Way("the Service of the authorizer goes", gone=(asked,))
    yield Way("the Service comes back", (asked,), lets_in=True)
    yield Way("the ConfigMap can't be read", (UNREADABLE_CONFIG,), lets_in=True)
    yield good
    yield Way("the ConfigMap goes", gone=(config(),))
    yield Way("the ConfigMap comes back", (config(),), lets_in=True)
    yield Way("the listeners change", (config(keep_alive="30"),), lets_in=True)
    yield good
