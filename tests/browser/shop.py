"""The objects of the tests: a shop that works, and a team whose three Ingresses are broken in different ways."""

from datetime import UTC, datetime, timedelta

from tests.support.objects import certificate, ingress, path, rule, secret, service, slice_of, tls
from xds.kube.objects import Ingress, KubeObject

SHOP = ingress(
    "shop",
    rule("shop.example", path("/", "web"), path("/api", "api")),
    ns="shop",
    tls=[tls("shop.example", secret="shop-tls")],
    annotations={"nginx.ingress.kubernetes.io/force-ssl-redirect": "true"},
)

CHECKOUT = ingress("checkout", rule("checkout.example", path("/", "chekout")), ns="team-a")
"""Names a Service that is missing."""

TIMEOUTS = ingress(
    "timeouts",
    rule("timeouts.example", path("/", "web")),
    ns="team-a",
    annotations={"nginx.ingress.kubernetes.io/proxy-read-timeout": "soon"},
)
"""Has an annotation with a bad value."""

SECURE = ingress(
    "secure", rule("secure.example", path("/", "web")), ns="team-a", tls=[tls("secure.example", secret="gone")]
)
"""Names a Secret that is missing."""


def web(*addresses: str, ns: str = "shop") -> KubeObject:
    return slice_of("web", *addresses, ns=ns)


def shop() -> list[KubeObject]:
    """The objects of the shop. The certificate ends in 20 days."""
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(days=20, hours=1)
    pair = certificate("shop.example", until=soon)
    services: list[KubeObject] = [service("web", ns="shop"), service("api", ns="shop")]
    slices = [web("10.0.0.1", "10.0.0.2"), slice_of("api", "10.0.0.3", ns="shop")]
    return [SHOP, *services, *slices, secret("shop-tls", pair, ns="shop")]


def team() -> list[KubeObject]:
    """The objects of the team: each Ingress has one fault."""
    broken: list[Ingress] = [CHECKOUT, TIMEOUTS, SECURE]
    return [*broken, service("web", ns="team-a"), web("10.0.1.1", ns="team-a")]
