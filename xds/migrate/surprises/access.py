"""Surprises of access: passwords, auth-url, CORS, client certificates."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from xds.migrate.inventory import Inventory
from xds.migrate.subject import Subject, access_of
from xds.migrate.surprises.rule import Rule, listed
from xds.migrate.values import Fate, is_outside_over_tls, words
from xds.problems.problem import Key

_VARIABLE: Final = re.compile(r"\$\{?([A-Za-z_][A-Za-z0-9_]*)")
_KNOWN_VARIABLES: Final = words(
    "host http_host best_http_host scheme pass_access_scheme request_uri escaped_request_uri"
)
_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://(\*\.)?[A-Za-z0-9.-]+(:[0-9]+)?", re.IGNORECASE)
_OPENING: Final = ("auth-cache-duration", "auth-request-redirect", "auth-always-set-cookie")


def _protected_nothing(subject: Subject, _: Inventory) -> str:
    given, found = subject.annotations, []
    if given.get("auth-secret") and "auth-type" not in given:
        found.append("auth-secret without auth-type")
    if given.get("auth-type") == "":
        found.append("auth-type is empty")
    if subject.text("auth-realm").strip() == "off":
        found.append("auth-realm is off")
    found += [f"{name} is empty" for name in ("auth-url", "whitelist-source-range") if given.get(name) == ""]
    return f"protects nothing: {listed(found)}; here the paths are protected, or closed" if found else ""


def _switched_off(subject: Subject, _: Inventory) -> str:
    found = [name for name in _OPENING if subject.fates.get(name) is Fate.OPENS]
    return f"a bad {listed(found)} switches auth-url off; here it counts" if found and subject.has("auth-url") else ""


def _tls_without_ca(subject: Subject, inventory: Inventory) -> str:
    namespace, _, name = subject.text("auth-tls-secret").partition("/")
    found = inventory.secret(subject.key._replace(namespace=namespace, name=name)) if name else None
    if found is None or (found.data and found.data.ca_crt):
        return ""
    return f"Secret {found.key} has no ca.crt, so no client is asked for a certificate; here the host answers 403"


def _tls_over_http(subject: Subject, inventory: Inventory) -> str:
    if not subject.text("auth-tls-secret") or subject.is_canary:
        return ""
    hosts = [host for host in subject.hosts if not inventory.is_redirected(subject, host)]
    return f"plain requests to {listed(hosts)} need no certificate; here they answer 403" if hosts else ""


def _tls_of_neighbour(subject: Subject, inventory: Inventory) -> str:
    found = [
        f"{each.key} on {host}"
        for host, each in inventory.neighbours(subject)
        if each.text("auth-tls-secret") and not subject.text("auth-tls-secret")
    ]
    return f"client certificates are asked for because of {listed(found)}" if found else ""


def _not_on_redirects(subject: Subject, _: Inventory) -> str:
    found = [n for n in ("app-root", "permanent-redirect", "temporal-redirect") if subject.text(n)]
    if subject.is_on("enable-cors"):
        found.append("OPTIONS with enable-cors")
    if not found or not any(access_of(subject)):
        return ""
    return f"{listed(found)} is answered before the protection, there and here"


def _hashes(subject: Subject, inventory: Inventory) -> str:
    namespace, slash, name = subject.text("auth-secret").strip().rpartition("/")
    key = Key(namespace if slash else subject.key.namespace, name)
    found = inventory.secret(key) if name and subject.text("auth-type") == "basic" else None
    if found is None or found.data is None:
        return ""
    is_map = subject.text("auth-secret-type").strip() == "auth-map"
    entries = found.data.all.values() if is_map else _hashes_of_file(found.data.all.get("auth", b""))
    counted = Counter(_kind(each) for each in entries)
    if not counted.keys() - {"SHA"}:
        return ""
    return f"`xds authz` must run beside each Envoy for Secret {key}: {listed(_counts(counted))}"


def _hashes_of_file(content: bytes) -> Iterator[bytes]:
    lines = (line for line in content.splitlines() if line and not line.startswith(b"#"))
    return (fields[1] for line in lines if len(fields := line.split(b":")) > 1)


def _kind(value: bytes) -> str:
    return next((kind for prefix, kind in _KINDS.items() if value.startswith(prefix)), "other")


def _counts(counted: Counter[str]) -> Iterator[str]:
    return (f"{count} of {kind}" for kind, count in counted.most_common())


_KINDS: Final = {
    b"{SHA}": "SHA",
    b"{SSHA}": "SSHA",
    b"{PLAIN}": "PLAIN",
    b"$apr1$": "apr1",
    b"$2": "bcrypt",
    b"$1$": "MD5",
    b"$5$": "SHA-256",
    b"$6$": "SHA-512",
}
"""Kinds of hashes, by their beginning."""


def _cache(subject: Subject, _: Inventory) -> str:
    cached = subject.has("auth-cache-key") and subject.has("auth-url")
    return "the auth service will be asked for each request: there is no cache" if cached else ""


def _variable(subject: Subject, _: Inventory) -> str:
    found = [
        f"${name} in {annotation}"
        for annotation in ("auth-url", "auth-signin")
        for name in _VARIABLE.findall(subject.annotations.get(annotation, ""))
        if name not in _KNOWN_VARIABLES
    ]
    return f"{listed(found)} is not to be had here" if found else ""


def _escaped_uri(subject: Subject, _: Inventory) -> str:
    empty = "$escaped_request_uri" in subject.text("auth-url") and not subject.has("auth-signin")
    return "$escaped_request_uri in auth-url is empty without auth-signin" if empty else ""


def _verified(subject: Subject, _: Inventory) -> str:
    if not is_outside_over_tls(subject.text("auth-url")):
        return ""
    return "the certificate of the auth service is not verified there; here it is"


def _origin(subject: Subject, _: Inventory) -> str:
    value = subject.annotations.get("cors-allow-origin", "")
    if not subject.is_on("enable-cors") or not value:
        return ""
    if any(each.strip() in ("*", "null") or _ORIGIN.fullmatch(each.strip()) for each in value.split(",")):
        return ""
    return "cors-allow-origin can't be read, which stands for * there; here no headers are sent"


def _credentials(subject: Subject, _: Inventory) -> str:
    if not subject.is_on("enable-cors") or not subject.is_on("cors-allow-credentials", default=True):
        return ""
    origins = {each.strip() for each in (subject.annotations.get("cors-allow-origin") or "*").split(",")}
    return "credentials are allowed with the origin *, which browsers ignore" if "*" in origins else ""


def _options(subject: Subject, _: Inventory) -> str:
    on = subject.is_on("enable-cors") and not subject.is_canary
    return "every OPTIONS of an allowed origin is answered by the proxy, and never reaches a backend" if on else ""


def _satisfy(subject: Subject, _: Inventory) -> str:
    any_ = subject.text("satisfy").strip().lower() == "any"
    if not any_ or not subject.has("denylist-source-range") or not subject.has("auth-secret", "auth-url"):
        return ""
    return "a denied address passes with the right credentials"


def _errors_hide(subject: Subject, _: Inventory) -> str:
    codes = {code.strip() for code in subject.text("custom-http-errors").split(",")}
    found = sorted(codes & {"401", "403"})
    return f"the error page's own status replaces {listed(found)}; here the status stays" if found else ""


def _resumption(subject: Subject, _: Inventory) -> str:
    asked = subject.text("auth-tls-secret") and not subject.is_canary
    return "TLS sessions are not resumed on hosts with client certificates: more handshakes" if asked else ""


RULES: Final = (
    Rule(
        "protected-nothing",
        "Annotations that look like a protection, and are none in ingress-nginx.",
        _protected_nothing,
    ),
    Rule("auth-switched-off", "A bad value beside auth-url switches the authentication off.", _switched_off),
    Rule("auth-tls-without-ca", "A Secret without ca.crt asks nobody for a certificate.", _tls_without_ca),
    Rule("auth-tls-over-http", "Client certificates are not asked for over plain HTTP.", _tls_over_http),
    Rule("auth-tls-of-neighbour", "auth-tls-secret holds for all paths and aliases of the host.", _tls_of_neighbour),
    Rule(
        "access-not-on-redirects",
        "Redirects, app-root and preflight requests are never protected.",
        _not_on_redirects,
    ),
    Rule(
        "password-hashes-need-authz",
        "Hashes other than {SHA} are checked by `xds authz`, beside each Envoy.",
        _hashes,
    ),
    Rule("auth-cache-gone", "Answers of the auth service are not remembered.", _cache),
    Rule("auth-variable-refused", "Few variables of nginx are known in auth-url and auth-signin.", _variable),
    Rule("auth-escaped-uri-empty", "A variable that only auth-signin fills.", _escaped_uri),
    Rule("auth-url-verified", "The certificate of an auth service outside is verified.", _verified),
    Rule("cors-origin-unreadable", "An origin that can't be read allows all.", _origin),
    Rule("cors-credentials-star", "Credentials with the origin *.", _credentials),
    Rule("cors-takes-options", "With enable-cors, backends see no OPTIONS.", _options),
    Rule("satisfy-any-denied", "With satisfy any, a deny list doesn't deny.", _satisfy),
    Rule("custom-errors-hide-access", "An error page replaces the status of a rejected request.", _errors_hide),
    Rule("tls-resumption-off", "No resumption of TLS sessions where certificates are checked.", _resumption),
)
