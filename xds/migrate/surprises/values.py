"""Surprises of values: never read, or with which ingress-nginx serves nothing."""

from typing import Final

from xds.migrate.blocking import blocking
from xds.migrate.inventory import Inventory
from xds.migrate.subject import Subject
from xds.migrate.surprises.rule import Rule, listed
from xds.migrate.values import SNIPPETS, Fate
from xds.problems.problem import Key
from xds.problems.text import shown


def _never_read(subject: Subject, _: Inventory) -> str:
    names = [name for name, fate in subject.fates.items() if fate is Fate.DEFAULT]
    found = [f"{name} {shown(subject.annotations[name])}" for name in names]
    return f"never read, so the default holds: {listed(found)}" if found else ""


def _not_served(subject: Subject, inventory: Inventory) -> str:
    why = inventory.why_vanished(subject)
    if not why:
        return ""
    if SNIPPETS & subject.annotations.keys():
        why += "; with snippets allowed by the controller it is served"
    return f"ingress-nginx leaves the Ingress out ({why}); its paths begin to answer here"


def _blocks(subject: Subject, _: Inventory) -> str:
    found = [
        f"{name} {shown(value)} ({why})"
        for name, value in subject.annotations.items()
        if (why := blocking(name, value))
    ]
    if subject.is_on("from-to-www-redirect") and any(host.startswith("*") for host in subject.hosts):
        found.append("from-to-www-redirect on a wildcard host")
    if not found:
        return ""
    return f"nginx refuses its whole configuration, and no change of any Ingress has counted since: {listed(found)}"


def _answers_503(subject: Subject, inventory: Inventory) -> str:
    found = [f"{name} has a bad value" for name, fate in subject.fates.items() if fate is Fate.CLOSES]
    found += [f"{name} is empty" for name in _EMPTY_CLOSES if subject.annotations.get(name) == ""]
    url = subject.text("auth-url")
    if url and "://" not in url:
        found.append("auth-url has no scheme")
    if subject.text("auth-type") and "auth-secret" in subject.annotations:
        found += _missing(subject, inventory, "auth-secret")
    for name in ("auth-tls-secret", "proxy-ssl-secret"):
        if text := subject.text(name):
            found += [f"{name} names no namespace"] if "/" not in text else _missing(subject, inventory, name)
    for annotation in ("custom-headers", "auth-proxy-set-headers"):
        namespace, slash, name = subject.text(annotation).strip().partition("/")
        if slash and inventory.has_config_maps and inventory.config_map(Key(namespace, name)) is None:
            found.append(f"{annotation} names ConfigMap {namespace}/{name}, which doesn't exist")
    return f"the paths answer 503 today, or 403 for client certificates: {listed(found)}" if found else ""


def _missing(subject: Subject, inventory: Inventory, annotation: str) -> list[str]:
    """Why the Secret of an annotation can't be used; empty for one that can, or may."""
    namespace, slash, name = subject.annotations[annotation].strip().rpartition("/")
    key = Key(namespace if slash else subject.key.namespace, name)
    if key.namespace != subject.key.namespace and not inventory.key_is_on("allow-cross-namespace-resources"):
        return [f"{annotation} names a Secret of another namespace"]
    if not name:
        return [f"{annotation} is empty"]
    found = inventory.secret(key)
    if inventory.has_secrets and found is None:
        return [f"{annotation} names Secret {key}, which doesn't exist"]
    is_file = annotation == "auth-secret" and subject.text("auth-secret-type").strip() in ("", "auth-file")
    if found and is_file and "auth" not in (found.data.all if found.data else {}):
        return [f"{annotation} names Secret {key}, which has no key auth"]
    return []


_EMPTY_CLOSES: Final = ("allowlist-source-range", "denylist-source-range")

RULES: Final = (
    Rule(
        "value-never-read",
        "ingress-nginx never read a value, and has its default: units, 'on' for true, unknown words.",
        _never_read,
    ),
    Rule(
        "not-served-today",
        "ingress-nginx leaves the whole Ingress out, because of one value or one annotation.",
        _not_served,
    ),
    Rule(
        "blocks-nginx",
        "A value that nginx refuses stops every later change of the cluster; all of them come with the switch.",
        _blocks,
    ),
    Rule("answers-503-today", "A bad list, name or object closes the paths in ingress-nginx, too.", _answers_503),
)
