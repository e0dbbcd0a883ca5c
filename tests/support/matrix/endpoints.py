"""Bad Services and EndpointSlices."""

import dataclasses
from collections.abc import Iterator

from tests.support.matrix.case import NO_BACKEND, A, Ask, Case, Manifest, Target, Told, host, of, shop
from tests.support.objects import endpoint, service, slice_of


def endpoints(at: Target) -> Iterator[Case]:
    def case(name: str, reason: str, *bad: Manifest, expected: str = NO_BACKEND) -> Case:
        """A Service of the case, whose slice is mended."""
        about = ("Service", name) if reason.startswith("EndpointPort") else ("EndpointSlice", f"{name}-1")
        told = (Told(*about, reason),) if reason else ()
        # An API server makes the port of a missing targetPort, and endpoints of another port are no renamed ones.
        own = (of(service(name, {"name": "http", "port": 80, "targetPort": at.port})), shop(name, name))
        good = of(slice_of(name, at.address, ports=[f"http:{at.port}"]))
        asked, mended_asked = (Ask(host(name), expected),), (Ask(host(name), A),)
        return Case(name, told, (*own, *bad), (*own, good), asked, mended_asked)

    def slice_for(name: str, *addresses: str, port: object = None, number: int = 1, kind: str = "IPv4") -> Manifest:
        built = of(slice_of(name, *map(endpoint, addresses), name=f"{name}-{number}", address_type=kind))
        ports = {"name": "http", "port": at.port} if port is None else port
        return {**built, "ports": [ports] if ports else []}

    def another(bad: Case) -> Case:
        """The address type of a slice is immutable, so the mended slice is a new one."""
        good = of(slice_of(bad.name, at.address, name=f"{bad.name}-4", ports=[f"http:{at.port}"]))
        return dataclasses.replace(bad, mended=(*bad.mended[:2], good))

    yield case("no-slices", "")
    name = "slice-without-ports"
    yield case(name, "EndpointPortMissing", slice_for(name, at.address, port={}))
    name = "slice-with-any-port"
    yield case(name, "InvalidPort", slice_for(name, at.address, port={"name": "http"}))
    name = "slice-with-another-port"
    renamed = slice_for(name, at.address, port={"name": "metrics", "port": at.port})
    yield case(name, "EndpointPortRenamed", renamed, expected=A)
    name = "slice-of-dns-names"
    yield another(case(name, "AddressTypeUnsupported", slice_for(name, "example.com", kind="FQDN")))
    name = "ipv6-where-nobody-is"
    yield another(case(name, "", slice_for(name, "2001:db8::1", kind="IPv6")))
    name = "slices-with-duplicates"
    twice = [slice_for(name, at.address, at.address, number=number) for number in (1, 2)]
    yield case(name, "", *twice, expected=A)
    name = "slice-with-garbage"
    garbage = case(name, "InvalidAddress", slice_for(name, "not-an-address", at.address), expected=A)
    yield dataclasses.replace(garbage, refused="must be a valid IP address")
    name = "slice-port-out-of-range"
    yield case(name, "InvalidPort", slice_for(name, at.address, port={"name": "http", "port": 65536}))
    name = "service-port-out-of-range"
    bad = case(name, "")
    wrong = of(service(name, "http:70000"))
    yield dataclasses.replace(
        bad,
        told=(Told("Ingress", name, "BackendPortNotFound"),),
        bad=(wrong, shop(name, name)),
        refused="must be between 1 and 65535",
    )
