"""Bad Ingresses: hosts, paths, backends, classes, annotations; and odd but legal Ingresses."""

import dataclasses
from collections.abc import Iterator
from typing import Any, Final

from tests.support.matrix.case import (
    CLOSED,
    NO_BACKEND,
    NO_ROUTE,
    A,
    Ask,
    B,
    Case,
    Manifest,
    Told,
    host,
    of,
    shop,
    tls_pair,
)
from tests.support.objects import certificate, exact, external, ingress, path, rule, service, tls
from xds.kube.objects import HTTPIngressPath

MANY: Final = 10_000
LONG: Final = "/" + "long/" * 818 + "ends"
"""4095 characters: with one more, a slash would be beyond the limit."""
HOST_253: Final = ".".join(["h" * 63, "h" * 63, "h" * 63, "h" * 56, "test"])
NAME_253: Final = ".".join(["n" * 63, "n" * 63, "n" * 63, "n" * 61])
NGINX: Final = "nginx.ingress.kubernetes.io"

LITERAL: Final = ("/(a+)+$", "/[z-a]", "/d{9,1}", "/.*", "/^x|y", "/%zz", "/%25", "/a%20b", "/%00", "/{{.}}", "/☃")
"""Legal, hostile, and no more than text."""


def routes() -> Iterator[Case]:
    yield from _conflicts()
    yield from _backends()
    yield from _not_ours()
    yield from _annotations()
    yield from _paths()
    yield from _large()
    yield from _hosts()


def ingress_case(name: str, reason: str, *bad: HTTPIngressPath, expected: str, refused: str = "") -> Case:
    """An Ingress with a good path beside the bad ones, of which the first is requested; mended, all lead to A."""
    good = path("/good", B)
    mended = path("/mended", A)
    return Case(
        name,
        told=(Told("Ingress", name, reason),) if reason else (),
        bad=(of(ingress(name, rule(host(name), *bad, good))),),
        mended=(of(ingress(name, rule(host(name), mended, good))),),
        asked=(Ask(host(name), expected, bad[0].path or "/"), Ask(host(name), B, "/good")),
        mended_asked=(Ask(host(name), A, "/mended"), Ask(host(name), B, "/good")),
        refused=refused,
    )


def _conflicts() -> Iterator[Case]:
    name = "duplicate-host-and-path"
    first = of(ingress(f"{name}-1", rule(host(name), path("/", A))))
    yield Case(
        name,
        told=(Told("Ingress", f"{name}-2", "PathConflict"),),
        bad=(first, of(ingress(f"{name}-2", rule(host(name), path("/", B))))),
        mended=(first, of(ingress(f"{name}-2", rule(host(name), path("/two", B))))),
        asked=(Ask(host(name), A),),
        mended_asked=(Ask(host(name), A), Ask(host(name), B, "/two")),
    )
    yield ingress_case("conflict-within-itself", "PathConflict", path("/x", A), path("/x", B), expected=A)
    thief = "zz-takes-what-others-have"
    yield Case(
        thief,
        told=(Told("Ingress", thief, "PathConflict"), Told("Ingress", thief, "CertificateConflict")),
        bad=(
            of(
                ingress(
                    thief,
                    rule("good-99.test", path("/", A), path("/thief", A)),
                    tls=[tls("good-99.test", secret=thief)],
                )
            ),
            tls_pair(thief, certificate("thief.test")),
        ),
        mended=(shop(thief),),
        asked=(Ask("good-99.test", A, "/thief"),),
        mended_asked=(Ask(host(thief)), Ask("good-99.test", "s9", "/thief")),
    )


def _backends() -> Iterator[Case]:
    yield ingress_case("dangling-service", "BackendNotFound", path("/", "gone"), expected=NO_BACKEND)
    yield ingress_case("dangling-port-number", "BackendPortNotFound", path("/", f"{A}:81"), expected=NO_BACKEND)
    yield ingress_case("dangling-port-name", "BackendPortNotFound", path("/", f"{A}:gone"), expected=NO_BACKEND)
    yield ingress_case("resource-backend", "ResourceBackendUnsupported", path("/", "bucket!"), expected=NO_ROUTE)
    name = "external-name"
    case = ingress_case(name, "ExternalNameRefused", path("/", name), expected=NO_BACKEND)
    yield dataclasses.replace(case, bad=(*case.bad, of(external(name, "example.com"))))
    name = "default-backend-dangling"
    good = rule(host(name), path("/good", A))
    yield Case(
        name,
        told=(Told("Ingress", name, "BackendNotFound"),),
        bad=(of(ingress(name, good, default="gone")),),
        mended=(of(ingress(name, good, default=B)),),
        asked=(Ask(host(name), NO_BACKEND, "/x"), Ask("nobody.test", NO_BACKEND), Ask(host(name), A, "/good")),
        mended_asked=(Ask(host(name), B, "/x"), Ask("nobody.test", B), Ask(host(name), A, "/good")),
    )


def _not_ours() -> Iterator[Case]:
    name = "wrong-class"
    other = of(
        ingress(
            name,
            rule(host(name), path("/", "gone")),
            class_name="nginx",
            annotations={f"{NGINX}/rewrite-target": "/"},
            tls=[tls(host(name), secret="gone")],
        )
    )
    seen = shop(f"{name}-seen")
    yield Case(
        name,
        told=(),
        bad=(other, seen),
        mended=(shop(name), seen),
        asked=(Ask(host(f"{name}-seen")), Ask(host(name), NO_ROUTE), Ask(host(name), CLOSED, tls=True)),
        mended_asked=(Ask(host(name)),),
    )


def _annotations() -> Iterator[Case]:
    for name, annotations, reason, expected in (
        ("nginx-annotation", {f"{NGINX}/ssl-passthrough": "true"}, "PassthroughOff", A),
        (
            "huge-annotation",
            {f"{NGINX}/server-snippet": "deny all; # \x1b[2J\n" * 13_000},
            "ProtectionUnavailable",
            NO_BACKEND,
        ),
    ):
        yield Case(
            name,
            told=(Told("Ingress", name, reason),),
            bad=(of(ingress(name, rule(host(name), path("/", A)), annotations=annotations)),),
            mended=(shop(name, B),),
            asked=(Ask(host(name), expected),),
            mended_asked=(Ask(host(name), B),),
        )


def _paths() -> Iterator[Case]:
    yield ingress_case("path-with-query", "InvalidPath", path("/a?b=c", A), expected=NO_ROUTE)
    yield ingress_case("path-with-nul", "InvalidPath", path("/nul\0", A), path("/nul%00", A), expected="400")
    yield ingress_case("path-with-newline", "InvalidPath", path("/new\nline", A), expected=NO_ROUTE)
    yield ingress_case("path-with-escaped-dots", "InvalidPath", path("/a/%2e%2e/b", A), expected=NO_ROUTE)
    yield ingress_case("path-too-long", "InvalidPath", path("/" + "x" * 8000, A), expected=NO_ROUTE)
    relative = path("relative", A)
    refused = "must be an absolute path"
    yield _unasked(ingress_case("relative-path", "InvalidPath", relative, expected="", refused=refused))
    dots = path("/a/../b", A)
    refused = "must not contain '/../'"
    yield _unasked(ingress_case("path-with-dots", "InvalidPath", dots, expected="", refused=refused))
    escaped = path("/a%2Fb", A)
    refused = "must not contain '%2F'"
    yield ingress_case("path-with-escaped-slash", "InvalidPath", escaped, expected=NO_ROUTE, refused=refused)
    regex = path("/a", A, "Regex")
    refused = "Unsupported value"
    yield ingress_case("unknown-path-type", "InvalidPathType", regex, expected=NO_ROUTE, refused=refused)
    literal = ingress_case(
        "hostile-text-in-paths", "PatternInPath", *(exact(text) for text in LITERAL[::-1]), expected=""
    )
    asked = tuple(
        Ask(host(literal.name), A, text) for text in ("/(a+)+$", "/[z-a]", "/.*", "/a%20b", "/%25", "/%E2%98%83")
    )
    good = Ask(host(literal.name), B, "/good")
    bad = of(ingress(literal.name, rule(host(literal.name), *(exact(text, A) for text in LITERAL), path("/good", B))))
    yield dataclasses.replace(literal, bad=(bad,), asked=(*asked, Ask(host(literal.name), NO_ROUTE, "/aaa"), good))


def _unasked(case: Case) -> Case:
    """No request can have such a path."""
    return dataclasses.replace(case, asked=case.asked[1:])


def _large() -> Iterator[Case]:
    name = "10000-paths"
    case = ingress_case(name, "BackendNotFound", path("/p", "gone"), path("/p0", A), expected=NO_BACKEND)
    paths = case.bad[0]["spec"]["rules"][0]["http"]["paths"]
    paths += [{**paths[1], "path": f"/p{number}"} for number in range(1, MANY - 2)]
    assert len(paths) == MANY
    yield dataclasses.replace(case, asked=(*case.asked, Ask(host(name), A, "/p0"), Ask(host(name), A, f"/p{MANY - 3}")))
    name = "1000-dangling-services"
    gone = [path(f"/p{number}", f"gone-{number}") for number in range(1000)]
    case = ingress_case(name, "BackendNotFound", *gone, expected=NO_BACKEND)
    yield dataclasses.replace(case, hushed=True)
    yield _longest_names()


def _longest_names() -> Case:
    """Every name is legal, so there is no Problem; the mended object is the Service behind."""
    pair = certificate(HOST_253)
    long_service = "l" * 63

    def built(to: str) -> Manifest:
        entry = tls(HOST_253, secret=NAME_253)
        return of(ingress(NAME_253, rule(HOST_253, path(LONG, to), path("/", A)), tls=[entry]))

    secret = tls_pair(NAME_253, pair)
    # The API server gives a Service at most 63 characters: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/
    named = of(service(long_service, {"name": "p" * 15, "port": 80}))
    return Case(
        "longest-names",
        told=(),
        bad=(built(f"{long_service}:{'p' * 15}"), secret, named),
        mended=(built(B), secret),
        asked=(Ask(HOST_253, NO_BACKEND, LONG), Ask(HOST_253, A, "/", tls=True, pair=pair)),
        mended_asked=(Ask(HOST_253, B, f"{LONG}/x"), Ask(HOST_253, B, LONG, tls=True, pair=pair)),
    )


def _hosts() -> Iterator[Case]:
    wrong: dict[str, tuple[str, str]] = {
        "wildcard-in-the-middle": ("a.*.bad.test", "spec.rules[0].host: Invalid value"),
        "wildcard-twice": ("*.*.bad.test", "wildcard DNS-1123"),
        "wildcard-alone": ("*", "wildcard DNS-1123"),
        "host-is-an-address": ("192.0.2.1", "must be a DNS name, not an IP address"),
        "host-with-a-port": (f"{host('port')}:80", "RFC 1123"),
    }
    for name, (text, refused) in wrong.items():
        rules = (rule(text, path("/", A)), rule(host(name), path("/good", B)))
        bad: dict[str, Any] = of(ingress(name, *rules))
        yield Case(
            name,
            told=(Told("Ingress", name, "InvalidHost"),),
            bad=(bad,),
            mended=(of(ingress(name, rule(f"*.{host(name)}", path("/", A)), rules[1])),),
            asked=(Ask("x.y.bad.test", NO_ROUTE), Ask(host(name), B, "/good")),
            mended_asked=(Ask(f"x.{host(name)}", A), Ask(host(name), B, "/good")),
            refused=refused,
        )
