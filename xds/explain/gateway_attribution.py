"""From a resource that proxies rejected to the Gateways and routes that the resource comes from."""

import re
from collections.abc import Iterator

from xds.problems.problem import ObjectRef
from xds.resources import names
from xds.resources.gateway.chains import named_chains
from xds.traffic.backend_tls import CredentialKey
from xds.traffic.backends import BackendKey
from xds.traffic.bound import BoundListener, ChainTls
from xds.traffic.model import TrafficModel
from xds.traffic.routes import Origin


def owners_of_listener(listener: BoundListener, text: str) -> list[Origin]:
    """The routes of layer 4 whose filter chain a proxy's message names; without any, the Gateway."""
    named = [
        chain.route.origin
        for name, chain in named_chains(listener).items()
        if chain.route and re.search(rf"{re.escape(name)}(?![\w./*-])", text)
    ]
    return named or [listener.origin]


def users_of_backend(backend: BackendKey, traffic: TrafficModel) -> Iterator[ObjectRef]:
    """The routes of bound listeners that forward to a backend."""
    for hosts in traffic.tables.values():
        for host in hosts.values():
            for route in host.routes:
                if backend in route.backends:
                    yield route.origin.object
    for listener in traffic.bound.values():
        for chain in listener.chains:
            if chain.route and backend in chain.route.backends:
                yield chain.route.origin.object


def users_of_secret(name: str, traffic: TrafficModel) -> Iterator[ObjectRef]:
    """The Gateways and routes that use a certificate or authorities, by the name of Envoy's Secret."""
    for listener in traffic.bound.values():
        if any(chain.tls and _uses(chain.tls, name) for chain in listener.chains):
            yield listener.origin.object
    credential = CredentialKey.named(name)
    if credential is None:
        return
    for key, backend in traffic.backends.items():
        if backend.upstream.tls and credential in backend.upstream.tls.credentials:
            yield from users_of_backend(key, traffic)


def _uses(tls: ChainTls, name: str) -> bool:
    if tls.clients and name == names.credential(tls.clients.authorities):
        return True
    return any(name == names.secret(secret) for secret in tls.secrets)
