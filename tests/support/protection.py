"""A protection of a host, the ways in which its input changes, and those that all protections have."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from tests.support.objects import ingress, path, rule, tls
from tests.support.route_table_annotations import annotated, canary
from xds.kube.objects import Ingress, KubeObject
from xds.translate.nginx.annotation import OWN_PREFIX


@dataclass(frozen=True, slots=True)
class Way:
    """A change of a protection's input.

    Attributes:
        put: Objects created or updated.
        gone: Objects deleted, in the same batch.
        act: Something done to a process, after the objects.
        lets_in: Whether a request with right passes from then on; else no request does.
        opens: Whether every request passes from then on: nothing protects.
        is_plain: Whether the host has no TLS from then on.
        host: Where a request with right is sent, if not to the protection's host.
        right: What gives the right from then on, if not the protection's `right`.
    """

    name: str
    put: tuple[KubeObject, ...] = ()
    gone: tuple[KubeObject, ...] = ()
    act: Callable[[], None] | None = None
    lets_in: bool = False
    opens: bool = False
    is_plain: bool = False
    host: str = ""
    right: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Protection:
    """What protects one host.

    Attributes:
        annotations: Of the host's Ingress.
        right: Headers of requests that may pass.
        wrong: Headers of requests that must not.
        named: The object that an annotation names.
        ways: Its own.
        takes_certificate: Whether a client certificate gives the right.
        binds_clients: Whether a client can have the right. False: whether requests pass depends on the backend alone.
        backend: The Service behind.
        has_common_ways: Whether `common_ways` are tried too.
    """

    name: str
    annotations: Mapping[str, str]
    right: Mapping[str, str] = field(default_factory=dict)
    wrong: Mapping[str, str] = field(default_factory=dict)
    named: KubeObject | None = None
    ways: tuple[Way, ...] = ()
    takes_certificate: bool = False
    binds_clients: bool = True
    backend: str = "web"
    has_common_ways: bool = True

    @property
    def host(self) -> str:
        return f"{self.name}.test"

    @property
    def elsewhere(self) -> str:
        return f"{self.name}-moved.test"

    def ingress(
        self, *, host: str = "", ns: str = "default", cert: str | None = "cert", **others: str | None
    ) -> Ingress:
        """The Ingress of the host, with other annotations; None: without."""
        values = {name: text for name, text in (dict(self.annotations) | others).items() if text is not None}
        return self.with_annotations(_written(values), host=host, ns=ns, cert=cert)

    def with_annotations(
        self, annotations: dict[str, str], *, host: str = "", ns: str = "default", cert: str | None = "cert"
    ) -> Ingress:
        host = host or self.host
        entries = [tls(host, secret=cert)] if cert else None
        return ingress(
            self.name, rule(host, path("/", self.backend)), ns=ns, tls=entries, annotations=annotations, created=10
        )

    def with_ways(self, *ways: Way) -> "Protection":
        return dataclasses.replace(self, ways=ways)


def _written(values: Mapping[str, str]) -> dict[str, str]:
    """Annotations by their names without prefix; ours begin with `own_`."""
    theirs = {name: text for name, text in values.items() if not name.startswith("own_")}
    ours = {name.removeprefix("own_").replace("_", "-"): text for name, text in values.items() if name[:4] == "own_"}
    return annotated(**theirs) | {OWN_PREFIX + name: text for name, text in ours.items()}


def common_ways(of: Protection) -> Iterator[Way]:
    """Ways of every protection that an Ingress asks for."""
    younger = ingress(f"{of.name}-younger", rule(of.host, path("/")), created=50)
    older = ingress(f"{of.name}-older", rule(of.host, path("/older")), created=1)
    checked = ingress(
        f"{of.name}-checked",
        rule(of.host, path("/checked")),
        tls=[tls(of.host, secret="cert")],
        annotations=annotated(auth_tls_secret="default/common-ca"),
        created=60,
    )
    own, bare, is_let_in = of.ingress(), of.with_annotations({}), of.binds_clients
    if of.backend == "web":
        yield Way("the annotations are removed", (bare,), opens=True)
    yield Way("put on an open Ingress", (own,), lets_in=is_let_in)
    yield Way("an older open Ingress of the host", (older,), lets_in=is_let_in)
    yield Way("the older one goes", gone=(older,), lets_in=is_let_in)
    yield Way("a younger open Ingress of the path", (younger,), lets_in=is_let_in)
    yield Way("the younger one goes", gone=(younger,), lets_in=is_let_in)
    if of.backend == "web" and not of.takes_certificate:
        lent = ingress(f"{of.name}-canary", rule(of.host, path("/", "web2")), annotations=canary(canary_weight="100"))
        same = ingress(
            f"{of.name}-canary",
            rule(of.host, path("/", "web2")),
            annotations=_written(of.annotations) | canary(canary_weight="100"),
        )
        yield Way("an open canary of all requests", (lent,), lets_in=is_let_in)
        yield Way("a canary with a protection of its own", (same,), lets_in=is_let_in)
        yield Way("the canary goes", gone=(same,), lets_in=is_let_in)
    yield Way("moved to another host", (of.ingress(host=of.elsewhere),), lets_in=is_let_in, host=of.elsewhere)
    yield Way("moved back", (own,), lets_in=is_let_in)
    away = of.ingress(ns="other", cert=None)
    is_let_in_away = is_let_in and of.named is None and of.backend == "web"
    yield Way("moved to another namespace", (away,), gone=(own,), lets_in=is_let_in_away, is_plain=True)
    yield Way("moved back", (own,), gone=(away,), lets_in=is_let_in)
    if not of.takes_certificate:
        yield Way("the host gets a filter chain of its own (auth-tls)", (checked,))
        yield Way("the filter chain goes", gone=(checked,), lets_in=is_let_in)
    yield Way("another certificate of the server", (of.ingress(cert="other-cert"),), lets_in=is_let_in)
    is_let_in_plain = is_let_in and not of.takes_certificate
    yield Way("no certificate of the server", (of.ingress(cert=None),), lets_in=is_let_in_plain, is_plain=True)
    yield Way("the certificate again", (own,), lets_in=is_let_in)
