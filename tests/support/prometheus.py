"""Questions to a Prometheus: https://prometheus.io/docs/prometheus/latest/querying/api/"""

import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

Series = dict[str, Any]


class Prometheus:
    """The HTTP API of a Prometheus at an address such as `http://127.0.0.1:9090`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, expression: str) -> list[Series]:
        """The series of an instant query, each with `metric` and `value`."""
        return list(self._get("query", {"query": expression})["result"])

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """The series of a range query, each with `metric` and `values`."""
        bounds = {"start": f"{start}", "end": f"{end}", "step": f"{step}"}
        return list(self._get("query_range", {"query": expression, **bounds})["result"])

    def names(self) -> set[str]:
        """All metric names with a sample."""
        return set(self._get("label/__name__/values", {}))

    def firing(self) -> dict[str, list[dict[str, str]]]:
        """The labels of firing alerts, by alert."""
        found: dict[str, list[dict[str, str]]] = {}
        for alert in self._get("alerts", {})["alerts"]:
            if alert["state"] == "firing":
                found.setdefault(alert["labels"]["alertname"], []).append(alert["labels"])
        return found

    def parsed(self, expression: str) -> str:
        """The expression as Prometheus writes it.

        Raises:
            AssertionError: Prometheus rejects the expression.
        """
        return str(self._get("format_query", {"query": expression}))

    def _get(self, path: str, parameters: Mapping[str, str]) -> Any:
        body = urlencode(parameters).encode()
        request = f"{self.url}/api/v1/{path}"
        try:
            with urlopen(Request(request, body) if body else request, timeout=10) as response:
                return json.load(response)["data"]
        except HTTPError as error:
            raise AssertionError(f"{parameters}: {json.load(error)['error']}") from None


def metric_names(expression: str) -> set[str]:
    """The names of metrics in an expression, without those of recording rules."""
    without_labels = re.sub(
        r"\{[^}]*\}|\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)", "", expression
    )
    without_rules = re.sub(r"\w+(?::\w+)+", "", without_labels)
    return set(re.findall(r"\b(?:xds_ingress_\w+|envoy_\w+|kube_\w+|up\b)", without_rules))
