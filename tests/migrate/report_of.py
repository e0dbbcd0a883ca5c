"""Reports on manifests that a test writes as text."""

import json
from typing import Any

import yaml

from xds.cli.migration.data import report_data
from xds.cli.migration.input import read_text
from xds.cli.migration.judging import Wish, judge
from xds.migrate.report import Report

EVERYTHING = Wish()
PREFIX = "nginx.ingress.kubernetes.io/"


def ingress(
    name: str = "web",
    *paths: str,
    host: str = "a.test",
    created: str = "2024-01-01T00:00:00Z",
    namespace: str = "shop",
    service: str = "s",
    tls: Any = None,
    **annotations: str,
) -> dict[str, Any]:
    """An Ingress of ingress-nginx. Annotations are named without the prefix, with underscores.

    A path is `/path`, or `Exact /path`.
    """
    backend = {"service": {"name": service, "port": {"number": 80}}}
    rules = []
    for each in paths or ("/",):
        path_type, _, path = each.rpartition(" ")
        rules.append({"path": path, "pathType": path_type or "Prefix", "backend": backend})
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {
            "name": name,
            "namespace": namespace,
            "creationTimestamp": created,
            "annotations": {PREFIX + key.replace("_", "-"): value for key, value in annotations.items()},
        },
        "spec": {
            "ingressClassName": "nginx",
            "rules": [{"host": host, "http": {"paths": rules}}],
            **({"tls": tls} if tls else {}),
        },
    }


def config_map(name: str = "ingress-nginx-controller", namespace: str = "ingress-nginx", **data: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": namespace},
        "data": {key.replace("_", "-"): value for key, value in data.items()},
    }


def deployment(*arguments: str) -> dict[str, Any]:
    container = {"image": "registry.k8s.io/ingress-nginx/controller:v1.15.1", "args": list(arguments)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "ingress-nginx-controller", "namespace": "ingress-nginx"},
        "spec": {"template": {"spec": {"containers": [container]}}},
    }


def secret(name: str, namespace: str = "shop", **data: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace},
        "stringData": data,
    }


def text_of(*documents: dict[str, Any]) -> bytes:
    """The List that kubectl would print."""
    return yaml.safe_dump({"apiVersion": "v1", "kind": "List", "items": list(documents)}).encode()


def report(*documents: dict[str, Any], wish: Wish = EVERYTHING) -> Report:
    return judge(read_text(text_of(*documents)), wish)


def data(*documents: dict[str, Any], wish: Wish = EVERYTHING) -> dict[str, Any]:
    """The report as JSON has it."""
    found: dict[str, Any] = json.loads(json.dumps(report_data(report(*documents, wish=wish))))
    return found


def of(found: dict[str, Any], name: str = "web") -> dict[str, Any]:
    """The report on an Ingress."""
    reported: dict[str, Any] = next(each for each in found["ingresses"] if each["name"] == name)
    return reported


def verdicts(found: dict[str, Any]) -> dict[str, str]:
    return {name: each["verdict"] for name, each in found["annotations"].items()}
