"""k8s/monitoring/prometheus-rule.yaml: rules.yaml of the Helm chart, as an object of the Prometheus operator."""

from pathlib import Path
from typing import Final

_K8S: Final = Path(__file__).parents[2] / "k8s"

PAGE: Final = _K8S / "monitoring" / "prometheus-rule.yaml"

_HEAD: Final = """\
# Made from ../chart/xds-ingress/files/rules.yaml by `make generate`.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: xds-ingress
  namespace: xds-ingress
  labels:
    app.kubernetes.io/name: xds-ingress
    app.kubernetes.io/part-of: xds-ingress
spec:
"""


def text() -> str:
    """The rules with their comments, two columns further right."""
    rules = (_K8S / "chart" / "xds-ingress" / "files" / "rules.yaml").read_text()
    _, _, body = rules.partition("\ngroups:\n")
    return _HEAD + "".join(f"  {line}\n" if line else "\n" for line in ["groups:", *body.splitlines()])
