"""The two forms of a ClusterLoadAssignment have the same bytes. Excludes the endpoints themselves (tests/translate)."""

from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xds.envoyapi import codec
from xds.resources.endpoints import cluster_load_assignment, encoded
from xds.traffic.backends import BackendKey
from xds.traffic.endpoints import Endpoint, Health, Locality

addresses = st.ip_addresses().map(str)
endpoints = st.builds(Endpoint, addresses, st.integers(1, 65535), st.sampled_from(Health))
zones = st.builds(Locality, st.text("abcé-1", max_size=70), st.lists(endpoints, max_size=6).map(tuple))
names = st.text("abc-1", min_size=1, max_size=253)
keys = st.builds(BackendKey, names, names, st.integers(1, 65535))


@given(keys, st.lists(zones, max_size=4))
def test_the_encoded_assignment_equals_the_typed_one(key: BackendKey, zones: list[Locality]) -> None:
    assert encoded(key, zones) == codec.encode(cluster_load_assignment(key, zones))


@pytest.mark.parametrize("count", [1, 5, 6, 700, 800])
def test_lengths_of_several_bytes_are_encoded(count: int) -> None:
    many = [Endpoint(str(ip_address(0x0A000000 + number)), 8080, Health.HEALTHY) for number in range(count)]
    zones, key = [Locality("zone-a", tuple(many))], BackendKey("default", "web", 80)
    assert encoded(key, zones) == codec.encode(cluster_load_assignment(key, zones))


def test_the_longest_address_fits() -> None:
    longest = str(ip_address("1111:2222:3333:4444:5555:6666:7777:8888"))
    zones = [Locality("", (Endpoint(longest, 65535, Health.DRAINING),))]
    key = BackendKey("default", "web", 80)
    assert encoded(key, zones) == codec.encode(cluster_load_assignment(key, zones))
