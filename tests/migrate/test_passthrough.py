"""Verdicts on TLS passthrough: hosts whose TLS is closed, ended or passed through alike in both controllers, or not.

Excludes: surprises (test_surprises).
"""

from typing import Any

import pytest

from tests.migrate.report_of import data, deployment, ingress, of, verdicts
from tests.migrate.test_ports import service

ON = deployment("--enable-ssl-passthrough")
OLD, NEW = "2020-01-01T00:00:00Z", "2024-01-01T00:00:00Z"
TLS = [{"hosts": ["a.test"], "secretName": "t"}]
WEB = service("s", {"port": 80}, namespace="shop")


@pytest.mark.parametrize(
    ("asking", "others", "expected"),
    [
        (ingress(ssl_passthrough="true"), [ON], "exact"),
        (ingress(ssl_passthrough="true"), [deployment("--v=2")], "exact"),
        (ingress(ssl_passthrough="false"), [ON], "exact"),
        (ingress(ssl_passthrough="yes"), [ON], "approximate"),
        (ingress("web", "/", "/api", ssl_passthrough="true"), [ON], "exact"),
        (ingress(ssl_passthrough="true", tls=TLS), [ON], "exact"),
        (ingress("web", "/api", ssl_passthrough="true"), [ON], "exact"),
        (ingress("web", "Exact /", ssl_passthrough="true"), [ON], "exact"),
        (ingress(ssl_passthrough="true", service="gone"), [ON, WEB], "exact"),
        (ingress(ssl_passthrough="true", host="*.a.test"), [ON], "approximate"),
        (ingress(ssl_passthrough="true", whitelist_source_range="10.0.0.0/8"), [ON], "approximate"),
        (ingress(ssl_passthrough="true", server_alias="b.test"), [ON], "approximate"),
        (ingress("web", "/app", ssl_passthrough="true"), [ON, ingress("old", created=OLD, tls=TLS)], "refused"),
        (
            ingress("web", "/app", ssl_passthrough="true"),
            [ON, ingress("old", created=OLD, ssl_passthrough="true")],
            "exact",
        ),
        (
            ingress("web", "/app", ssl_passthrough="true"),
            [ON, ingress("old", created=OLD, namespace="attic")],
            "refused",
        ),
    ],
)
def test_verdict_of_passthrough(asking: dict[str, Any], others: list[dict[str, Any]], expected: str) -> None:
    found = of(data(asking, *others))
    assert verdicts(found)["ssl-passthrough"] == expected


def test_a_protection_of_plain_requests_keeps_its_verdict() -> None:
    asking = ingress(ssl_passthrough="true", auth_type="basic", auth_secret="u", auth_realm="off")
    found = of(data(asking, ON))
    assert verdicts(found) == {
        "auth-realm": "approximate",
        "auth-secret": "exact",
        "auth-type": "exact",
        "ssl-passthrough": "exact",
    }


def test_paths_and_certificates_without_effect_are_the_same_in_both() -> None:
    found = of(data(ingress("web", "/", "/api", ssl_passthrough="true", tls=TLS), ON))
    assert {each["reason"]: each["verdict"] for each in found["problems"]} == {
        "CertificateUnused": "exact",
        "PathNotSeen": "exact",
    }
