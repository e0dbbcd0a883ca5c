"""The golden cases: manifests, their traffic model, and its resources.

tests/golden compares a case with the checked-in files; feature tests send its resources to a real Envoy.
"""

import argparse
import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from tests.support.objects import feed, pipeline
from xds.address import HostPort, UnixPath
from xds.controlplane.pipeline import Pipeline
from xds.explain.client_check import demands_words
from xds.kube.change import Reported
from xds.kube.objects import KubeObject
from xds.problems.problem import Key, Problem
from xds.resources.options import AccessLogFormat, ProxyOptions, TracingOptions, UpstreamOptions
from xds.server.debug.rendering import content
from xds.snapshot.resource import Resource, ResourceType
from xds.sources.folder.manifests import read_file
from xds.traffic.actions import Closed, DirectAnswer, Forward, HostRedirect, Redirect, RequestRedirect, WeightedBackend
from xds.traffic.https_redirect import BY_OPERATOR
from xds.traffic.layer4 import PortKey, PortListener, Transport
from xds.traffic.policy import NO_POLICY, Policy
from xds.traffic.routes import Route, VirtualHost
from xds.traffic.tls import TlsTable
from xds.traffic.upstream import DEFAULT_UPSTREAM, UpstreamPolicy
from xds.translate.layer4.options import Layer4Options, PortRange
from xds.translate.options import TranslateOptions
from xds.translate.translator import Translator
from xds.yaml_text import to_yaml

CASES: Final = Path(__file__).parent.parent / "golden" / "cases"
SECRETS: Final = CASES.parent / "secrets.yaml"
INPUT: Final = "in.yaml"

_TYPES: Final = {
    "listeners.yaml": ResourceType.LISTENER,
    "routes.yaml": ResourceType.ROUTES,
    "virtual-hosts.yaml": ResourceType.VIRTUAL_HOST,
    "clusters.yaml": ResourceType.CLUSTER,
    "endpoints.yaml": ResourceType.ENDPOINTS,
    "secrets.yaml": ResourceType.SECRET,
}
FILTERS: Final = "filters.yaml"
"""The filters' configurations that depend on the objects: only cases with rate limits have the file."""

_OPTIONS: Final = re.compile(r"^# options: (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Golden:
    """A case: the objects of `in.yaml`, and the Secrets that every case has."""

    name: str
    objects: tuple[KubeObject, ...]
    problems: tuple[Problem, ...]
    translate: TranslateOptions
    proxy: ProxyOptions

    def pipeline(self) -> Pipeline:
        """A pipeline with the objects of the case."""
        built = pipeline(*self.objects, translate=self.translate, proxy=self.proxy, claim_classless=True)
        if self.problems:
            feed(built, Reported(self.problems))
        return built


def golden_cases() -> list[Golden]:
    """Every case, by name."""
    return [read_case(folder) for folder in sorted(CASES.iterdir()) if (folder / INPUT).is_file()]


def read_case(folder: Path) -> Golden:
    raw = (folder / INPUT).read_bytes()
    shared = read_file(SECRETS.name, SECRETS.read_bytes())
    own = read_file(INPUT, raw)
    options = _OPTIONS.search(raw.decode())
    translate, proxy = _options(options[1] if options else "")
    objects = tuple(each for _, each in (*shared.objects, *own.objects))
    return Golden(folder.name, objects, (*shared.problems, *own.problems), translate, proxy)


def _options(line: str) -> tuple[TranslateOptions, ProxyOptions]:
    """The options of `xds serve` that change resources."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--allow-external-name", action="store_true")
    parser.add_argument("--default-tls-secret", type=lambda text: Key(*text.split("/")))
    parser.add_argument("--redirect-https", action="store_true")
    parser.add_argument("--proxy-protocol", action="store_true")
    parser.add_argument("--trusted-hops", type=int, default=0)
    parser.add_argument("--no-merge-slashes", action="store_true")
    parser.add_argument("--compatibility", choices=["ingress-nginx"])
    parser.add_argument("--upstream-idle-timeout", type=lambda text: timedelta(seconds=int(text.removesuffix("s"))))
    parser.add_argument("--access-log", type=AccessLogFormat, default=AccessLogFormat.JSON)
    parser.add_argument("--otlp", type=lambda text: HostPort(text.partition(":")[0], int(text.partition(":")[2])))
    parser.add_argument("--authz", type=lambda text: UnixPath(text.removeprefix("unix:")))
    parser.add_argument("--trace-sampling", type=float, default=100)
    parser.add_argument("--tcp-services-configmap", type=lambda text: Key(*text.split("/")))
    parser.add_argument("--udp-services-configmap", type=lambda text: Key(*text.split("/")))
    parser.add_argument("--expose-ports", type=_range, action="append", default=[])
    parser.add_argument("--enable-ssl-passthrough", action="store_true")
    given = parser.parse_args(shlex.split(line))
    return (
        TranslateOptions(
            allow_external_name=given.allow_external_name,
            default_tls_secret=given.default_tls_secret,
            is_compatible=bool(given.compatibility),
            has_tracer=given.otlp is not None,
            has_authz=given.authz is not None,
            passes_tls=given.enable_ssl_passthrough,
            layer4=_layer4(given.tcp_services_configmap, given.udp_services_configmap, given.expose_ports),
        ),
        ProxyOptions(
            redirect_https=given.redirect_https,
            proxy_protocol=given.proxy_protocol,
            trusted_hops=given.trusted_hops,
            merge_slashes=not given.no_merge_slashes,
            upstream=UpstreamOptions(given.upstream_idle_timeout) if given.upstream_idle_timeout else UpstreamOptions(),
            access_log=given.access_log,
            passes_tls=given.enable_ssl_passthrough,
            authz=given.authz,
            tracing=TracingOptions(given.otlp, given.trace_sampling) if given.otlp else None,
        ),
    )


def _range(text: str) -> PortRange:
    ports, _, namespace = text.partition("=")
    first, last = ports.split("-")
    return PortRange(int(first), int(last), namespace)


def _layer4(tcp: Key | None, udp: Key | None, exposed: Iterable[PortRange]) -> Layer4Options:
    named = {Transport.TCP: tcp, Transport.UDP: udp}
    reserved = frozenset(PortKey(Transport.TCP, number) for number in (80, 443, 9901, 9902))
    return Layer4Options({each: key for each, key in named.items() if key}, tuple(exposed), reserved)


def rendered(golden: Golden) -> dict[str, str]:
    """The texts of the case's files beside `in.yaml`, by file name."""
    built = golden.pipeline()
    texts = {"ir.yaml": to_yaml(traffic_model(built.traffic, built.problems))}
    for file, type_ in _TYPES.items():
        texts[file] = _resources(built.store.resources(type_))
    if built.traffic.rates:
        texts[FILTERS] = _resources(built.store.resources(ResourceType.EXTENSION))
    return texts


def _resources(resources: Mapping[str, Resource]) -> str:
    return to_yaml({name: _ordered(content(resources[name])) for name in sorted(resources)})


def _ordered(value: Any) -> Any:
    """Fields by name, as protobuf's order of a map's entries differs from process to process; scripts by their size."""
    if isinstance(value, dict):
        return {name: _ordered(value[name]) for name in sorted(value, key=lambda name: (name not in _FIRST, name))}
    if isinstance(value, str) and value.count("\n") > 1:
        return f"({len(value)} characters)"
    return [_ordered(each) for each in value] if isinstance(value, list) else value


_FIRST: Final = {"name", "@type"}


def orphans(folder: Path = CASES) -> list[Path]:
    """Files without a case."""
    known = {INPUT, "ir.yaml", FILTERS, *_TYPES}
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and not (path.parent.parent == folder and (path.parent / INPUT).is_file() and path.name in known)
    )


def _undecrypted(tls: TlsTable) -> dict[str, Any]:
    sources = {host: (each.allowed, each.denied) for host, each in tls.sources.items()}
    found: dict[str, Any] = {
        "passed": {str(each.backend): list(each.hosts) for each in tls.passed},
        "closed": list(tls.closed),
        "sources": {
            host: {"allowed": list(allowed or ()), "denied": list(denied)}
            for host, (allowed, denied) in sources.items()
        },
    }
    return {name: value for name, value in found.items() if value}


def traffic_model(traffic: Translator, problems: Iterable[Problem]) -> dict[str, Any]:
    """The traffic model in few words."""
    localities = {key: traffic.localities(backend) for key, backend in sorted(traffic.backends.items())}
    return {
        "hosts": {host or "(none)": _virtual_host(each) for host, each in sorted(traffic.hosts.items())},
        "default": _route(traffic.default) if traffic.default else None,
        "tls": [
            {
                "secret": each.name,
                "hosts": list(each.hosts),
                **({"default": True} if each.is_default else {}),
                **({"checked": each.checked.host} if each.checked else {}),
            }
            for each in traffic.tls.terminations
        ],
        **_undecrypted(traffic.tls),
        **({"ports": {str(key): _port(each) for key, each in sorted(traffic.ports.items())}} if traffic.ports else {}),
        "backends": {
            str(key): _without_empty(
                protocol=str(each.protocol),
                port_name=each.port_name,
                external_name=each.external_name,
                upstream=_differing(each.upstream, DEFAULT_UPSTREAM),
                cluster_ip=each.cluster_ip,
            )
            for key, each in sorted(traffic.backends.items())
        },
        "localities": {
            str(key): {
                f"{zone.zone or '(none)'}{f' priority {zone.priority}' if zone.priority else ''}": [
                    f"{each.address} {each.port} {each.health}" for each in zone.endpoints
                ]
                for zone in zones
            }
            for key, zones in localities.items()
        },
        "problems": list(_problems(problems)),
    }


def _port(each: PortListener) -> str:
    policy, origin = each.route.policy, each.route.origin
    shares = ", ".join(f"{share.backend} ({share.weight})" for share in each.route.shares)
    treatment = f"idle {policy.idle_timeout}, attempts {policy.connect_attempts}"
    extras = f"{', keeps client' if policy.keeps_client else ''}{', decodes PROXY' if each.decodes_proxy else ''}"
    return f"{shares} with {treatment}{extras} ({origin.object} {origin.field})"


def _virtual_host(each: VirtualHost) -> dict[str, Any]:
    return {
        "routes": [_route(route) for route in each.routes],
        **({"default": _route(each.default)} if each.default else {}),
        **({"otherwise": str(each.https_redirect)} if each.https_redirect != BY_OPERATOR else {}),
        **({"alias_of": each.alias_of} if each.alias_of is not None else {}),
        **({"clients": demands_words(each.client_certificates)} if each.client_certificates else {}),
    }


def _route(route: Route) -> str:
    policy = "" if route.policy == NO_POLICY else f" with {_differing(route.policy, NO_POLICY)}"
    conditions = "".join(f" if {each}" for each in route.conditions)
    origin = f"{route.origin.object} {route.origin.field}"
    return f"{route.path_type} {route.path}{conditions} -> {_action(route)}{policy} ({origin})"


def _action(route: Route) -> str:
    match route.action:
        case Redirect(status, location):
            return f"{status} to {location}"
        case DirectAnswer(status, text):
            return f"{status} {text!r}" if text else str(status)
        case RequestRedirect() as redirect:
            return str(redirect)
        case HostRedirect(host, status):
            return f"{status} to host {host}"
        case Closed(annotations, status):
            return f"{status}, closed by {', '.join(annotations)}"
        case Forward(()):
            return f"503 for Service {route.service}"
        case Forward((only,)):
            return _backend(only)
        case Forward(several):
            return ", ".join(f"{_backend(each)} ({each.weight})" for each in several)


def _backend(backend: WeightedBackend) -> str:
    return f"{backend.key}, by TLS {backend.tls_key}" if backend.tls_key else str(backend.key)


def _differing(policy: Policy | UpstreamPolicy, default: Policy | UpstreamPolicy) -> str:
    """The fields of a policy that differ from the default."""
    values = {field.name: getattr(policy, field.name) for field in fields(policy)}
    return ", ".join(f"{name}={_said(value)}" for name, value in values.items() if value != getattr(default, name))


def _said(value: object) -> str:
    return f"({', '.join(map(str, value))})" if isinstance(value, tuple) else str(value)


def _problems(problems: Iterable[Problem]) -> Iterable[Mapping[str, str]]:
    for each in problems:
        yield _without_empty(
            object=str(each.object),
            field=str(each.field),
            reason=each.reason.value,
            message=each.message,
            remedy=each.remedy,
        )


def _without_empty(**fields: str) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value}
