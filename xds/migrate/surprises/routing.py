"""Surprises of paths, rewriting and redirects."""

import re
from typing import Final

from xds.migrate.inventory import Inventory, names_host
from xds.migrate.subject import Path, Subject
from xds.migrate.surprises.rule import Rule, listed
from xds.migrate.values import words
from xds.problems.text import shown

_ROOT_ANNOTATIONS: Final = words(
    "permanent-redirect temporal-redirect rewrite-target auth-url auth-secret whitelist-source-range "
    "allowlist-source-range denylist-source-range limit-rps limit-rpm limit-connections limit-rate custom-http-errors"
)

_DOT: Final = re.compile(r"(?<!\\)\.(?![*+?{])")
_CLASS: Final = re.compile(r"\[[^\]]*\]")
_GROUP: Final = re.compile(r"(?<!\\)\((?!\?(?!P?<[A-Za-z]))")
_REFERENCE: Final = re.compile(r"\$([1-9])")
_REGEX_SIGNS: Final = re.compile(r"[\\^$|?*+()\[\]{}]")


def is_regex(path: str) -> bool:
    """Whether a path has a sign of regular expressions, other than a dot."""
    return _REGEX_SIGNS.search(path) is not None


def _regex_of_neighbour(subject: Subject, inventory: Inventory) -> str:
    if subject.is_canary:
        return ""
    hosts = [each for each in subject.hosts if each in inventory.regex_hosts and each not in subject.regex_hosts]
    others = [each.key for host in hosts for each in inventory.regex_hosts[host]]
    if not hosts:
        return ""
    return f"all paths of {listed(_named(hosts))} are regular expressions because of {listed(others)}"


def _regex_any_case(subject: Subject, _: Inventory) -> str:
    paths = [path for path in subject.paths if path.host in subject.regex_hosts]
    return f"paths match in any case, and longer words: {listed(paths)}" if paths else ""


def _regex_dot(subject: Subject, _: Inventory) -> str:
    paths = [p for p in subject.paths if p.host in subject.regex_hosts and _DOT.search(_CLASS.sub("", p.text))]
    return f"a dot stands for any character: {listed(paths)}" if paths else ""


def _rewritten(subject: Subject) -> list[Path]:
    """The paths with an effective rewrite to another path than their own."""
    target = subject.text("rewrite-target")
    return [] if not target or subject.is_canary else [path for path in subject.paths if path.text != target]


def _rewrite_drops_path(subject: Subject, _: Inventory) -> str:
    target = subject.text("rewrite-target")
    if "$" in target or "://" in target:
        return ""
    paths = _rewritten(subject)
    return f"each request below becomes {shown(target)}: {listed(paths)}" if paths else ""


def _rewrite_to_own_path(subject: Subject, _: Inventory) -> str:
    target = subject.text("rewrite-target")
    if not target or target == "/" or subject.is_canary:
        return ""
    paths = [path for path in subject.paths if path.text == target and path.path_type != "Exact"]
    return f"all requests below {shown(target)} become {shown(target)}" if paths else ""


def _rewrite_missing_group(subject: Subject, _: Inventory) -> str:
    groups = [int(each) for each in _REFERENCE.findall(subject.text("rewrite-target"))]
    if not groups or subject.is_canary:
        return ""
    paths = [path for path in subject.paths if max(groups) > len(_GROUP.findall(_CLASS.sub("", path.text)))]
    return f"${max(groups)} is empty, as the path has fewer groups: {listed(paths)}" if paths else ""


def _implicit_root(subject: Subject, inventory: Inventory) -> str:
    asked = [name for name in _ROOT_ANNOTATIONS if subject.annotations.get(name) or _closes_when_empty(name, subject)]
    if not asked or subject.is_canary:
        return ""
    hosts = [host for host in subject.hosts if host and _has_implicit_root(subject, host, inventory)]
    if not hosts:
        return ""
    return f"{listed(asked)} also held for all paths of {listed(hosts)} that no Ingress names; here for its own paths"


def _closes_when_empty(name: str, subject: Subject) -> bool:
    return name in ("allowlist-source-range", "denylist-source-range") and name in subject.annotations


def _has_implicit_root(subject: Subject, host: str, inventory: Inventory) -> bool:
    others = inventory.by_host.get(host, [])
    has_root = any(p.host == host and p.text == "/" and p.path_type == "Prefix" for each in others for p in each.paths)
    return not has_root and bool(others) and others[0] is subject


def _redirect_variable(subject: Subject, _: Inventory) -> str:
    found = [n for n in ("permanent-redirect", "temporal-redirect") if "$" in subject.annotations.get(n, "")]
    return f"{listed(found)} lives by its last good form until the controller restarts" if found else ""


def _temporal_308(subject: Subject, _: Inventory) -> str:
    is_set = subject.annotations.get("temporal-redirect-code") == "308" and subject.has("temporal-redirect")
    return "temporal-redirect-code 308 answers 302" if is_set else ""


def _www_port(subject: Subject, _: Inventory) -> str:
    on = subject.is_on("from-to-www-redirect")
    return "the redirect names :80 or :443, and drops a slash at the end; here without port" if on else ""


def _tls_host_not_named(subject: Subject, inventory: Inventory) -> str:
    if not subject.ingress.spec.tls or subject.is_canary or not inventory.asks_for_redirect(subject):
        return ""
    hosts = [host for host in subject.hosts if host and not names_host(subject, host)]
    if not hosts:
        return ""
    return f"no TLS entry names {listed(hosts)}, which is redirected to HTTPS with another certificate; here it is not"


def _tls_secret_missing(subject: Subject, inventory: Inventory) -> str:
    entries = subject.ingress.spec.tls or ()
    if any(not entry.secret_name for entry in entries):
        return "a TLS entry without secretName has the controller's default certificate"
    if not inventory.has_secrets:
        return ""
    names = [entry.secret_name or "" for entry in entries]
    missing = [each for each in names if inventory.secret(subject.key._replace(name=each)) is None]
    return (
        f"Secret {listed(missing)} is missing: today the controller's default certificate is shown" if missing else ""
    )


def _tls_by_parent(subject: Subject, inventory: Inventory) -> str:
    if subject.is_canary or not inventory.asks_for_redirect(subject):
        return ""
    hosts = [
        host
        for host in subject.hosts
        if not host.startswith("*") and host not in inventory.tls_hosts and inventory.has_parent_tls(host)
    ]
    return f"{listed(hosts)} is redirected to HTTPS because the wildcard above has TLS; here it is not" if hosts else ""


def _app_root_first(subject: Subject, inventory: Inventory) -> str:
    hosts = [host for host in subject.hosts if inventory.has_tls(host)]
    if not subject.text("app-root") or subject.is_canary or not hosts:
        return ""
    return f"/ of {listed(hosts)} goes to plain http first, and to HTTPS only then"


def _app_root_two(subject: Subject, inventory: Inventory) -> str:
    if not subject.text("app-root") or subject.is_canary:
        return ""
    others = [each.key for _, each in inventory.neighbours(subject) if each.text("app-root")]
    if not others:
        return ""
    return f"{listed(others)} has app-root too: that of the longest path counts there, that of the older Ingress here"


def _prefix_header(subject: Subject, _: Inventory) -> str:
    is_alone = bool(subject.text("x-forwarded-prefix")) and not subject.text("rewrite-target")
    return "x-forwarded-prefix without rewrite-target does nothing" if is_alone else ""


def _path_owner(subject: Subject, inventory: Inventory, *, by_name: bool) -> str:
    if subject.is_canary:
        return ""
    found: list[str] = []
    for path in subject.paths:
        owners = inventory.owners.get(path[:3], [])
        others = [each for each in owners if each is not subject]
        if by_name:
            equal = [each for each in others if each.created == subject.created]
            found += [f"{path} with {each.key}" for each in equal]
        elif others and owners[0] is not subject and owners[0].created < subject.created:
            found.append(f"{path} to {owners[0].key}")
    if not found:
        return ""
    if by_name:
        return (
            f"both were created in one second, so ingress-nginx serves the last by name, and the first is served "
            f"here: {listed(found)}"
        )
    return f"the older Ingress has the path, with its backend and annotations: {listed(found)}"


def _wildcard_alias(subject: Subject, _: Inventory) -> str:
    names = [name.strip() for name in subject.text("server-alias").split(",")]
    found = [name for name in names if name.startswith("*.")]
    return f"{listed(found)} takes any number of labels, a wildcard host only one" if found else ""


def _slash_redirect(subject: Subject, inventory: Inventory) -> str:
    if subject.is_canary:
        return ""
    paths = [
        path
        for path in subject.paths
        if path.text.endswith("/")
        and path.text != "/"
        and path.host not in inventory.regex_hosts
        and not any((path.host, path.text[:-1], each) in inventory.owners for each in ("Exact", "Prefix"))
    ]
    return f"a request without the last slash is answered by 301: {listed(paths)}" if paths else ""


def _empty_redirect(subject: Subject, _: Inventory) -> str:
    empty = [n for n in ("permanent-redirect", "temporal-redirect") if subject.annotations.get(n) == ""]
    if not empty or not subject.is_on("from-to-www-redirect"):
        return ""
    return f"an empty {listed(empty)} switches from-to-www-redirect off; here it counts as absent"


def _mirror_uri(subject: Subject, _: Inventory) -> str:
    target = subject.text("mirror-target")
    if not _MIRROR.match(target) or "$request_uri" in target or target.rstrip("/").count("/") > 2:
        return ""
    return "without $request_uri each copy asks for /_mirror-UID; here for the path of the request"


def _mirror_bad(subject: Subject, _: Inventory) -> str:
    target = subject.annotations.get("mirror-target", "")
    if not target or _MIRROR.match(target):
        return ""
    return "the copies go to the host's own root, which has twice the load"


def _default_backend(subject: Subject, _: Inventory) -> str:
    spec = subject.ingress.spec
    if not spec.default_backend or not spec.rules:
        return ""
    return "the default backend answers on the hosts of the Ingress there, and here on all hosts"


_MIRROR: Final = re.compile(r"https?://[A-Za-z0-9\[$]")


def _named(hosts: list[str]) -> list[str]:
    return [host or "rules without host" for host in hosts]


RULES: Final = (
    Rule(
        "regex-of-neighbour",
        "Another Ingress makes regular expressions of all paths of the host, Exact ones included: they match in any "
        "case, and with an open end.",
        _regex_of_neighbour,
    ),
    Rule(
        "regex-any-case",
        "The paths are regular expressions: they match in any case, and with an open end.",
        _regex_any_case,
    ),
    Rule("regex-dot", "In a regular expression a dot is any character.", _regex_dot),
    Rule(
        "rewrite-drops-path",
        "A rewrite without groups replaces the whole path, so that all URLs below lead to one.",
        _rewrite_drops_path,
    ),
    Rule(
        "rewrite-to-own-path",
        "A rewrite to the path itself makes one URL of all below.",
        _rewrite_to_own_path,
    ),
    Rule(
        "rewrite-missing-group",
        "The rewrite names a group that the path doesn't have, which is empty.",
        _rewrite_missing_group,
    ),
    Rule(
        "implicit-root",
        "The root that a host gets by itself has the redirect, rewrite, limits and protection of its oldest Ingress.",
        _implicit_root,
    ),
    Rule(
        "default-backend-for-all",
        "A default backend beside rules answers on the hosts of its Ingress; here it answers each request that no rule "
        "matches, of other hosts too.",
        _default_backend,
    ),
    Rule(
        "redirect-variable",
        "A redirect with a variable is a bad value since ingress-nginx 1.12.",
        _redirect_variable,
    ),
    Rule("temporal-redirect-code-308", "A temporal redirect with code 308 answers 302.", _temporal_308),
    Rule("www-redirect-port", "The redirect between name and www.name writes the port.", _www_port),
    Rule(
        "tls-host-not-named",
        "Any TLS entry of an Ingress gives TLS, and the redirect to HTTPS, to all hosts of the Ingress.",
        _tls_host_not_named,
    ),
    Rule(
        "tls-secret-missing",
        "A TLS entry without a usable Secret has the controller's default certificate.",
        _tls_secret_missing,
    ),
    Rule(
        "tls-by-parent-wildcard",
        "A host without TLS is redirected to HTTPS if the wildcard above has TLS.",
        _tls_by_parent,
    ),
    Rule("app-root-plain-first", "app-root answers before the redirect to HTTPS.", _app_root_first),
    Rule("app-root-two", "Of two app-roots on a host, that of the longest path counts.", _app_root_two),
    Rule("prefix-header-without-rewrite", "x-forwarded-prefix needs rewrite-target.", _prefix_header),
    Rule(
        "path-owner-by-age",
        "Of a path that two Ingresses have, the older one has backend and annotations.",
        lambda subject, inventory: _path_owner(subject, inventory, by_name=False),
    ),
    Rule(
        "path-owner-by-name",
        "Of a path that two Ingresses of one age have, ingress-nginx takes the last by name, and this the first.",
        lambda subject, inventory: _path_owner(subject, inventory, by_name=True),
    ),
    Rule("wildcard-alias-depth", "A wildcard of server-alias takes any number of labels.", _wildcard_alias),
    Rule(
        "prefix-slash-redirect",
        "A path that ends in a slash answers 301 without the slash.",
        _slash_redirect,
    ),
    Rule(
        "empty-redirect-family",
        "An empty redirect switches all redirects of the Ingress off.",
        _empty_redirect,
    ),
    Rule(
        "mirror-without-request-uri",
        "A mirror target without $request_uri gets /_mirror-UID in place of the path.",
        _mirror_uri,
    ),
    Rule(
        "mirror-bad-target",
        "A mirror target that is no URL sends the copies to the host itself.",
        _mirror_bad,
    ),
)
