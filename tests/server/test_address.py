"""Addresses as the command line takes them."""

import pytest

from xds.server.address import HostPort, UnixPath, parse


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:18000", HostPort("127.0.0.1", 18000)),
        ("localhost:0", HostPort("localhost", 0)),
        ("[::1]:65535", HostPort("::1", 65535)),
        ("[::]:80", HostPort("::", 80)),
        ("xds.example:443", HostPort("xds.example", 443)),
        ("unix:/run/xds.sock", UnixPath("/run/xds.sock")),
        ("unix:relative.sock", UnixPath("relative.sock")),
        ("unix:/with:colon:1", UnixPath("/with:colon:1")),
        ("unix:@abstract", UnixPath("@abstract")),
    ],
)
def test_an_address_is_read_and_written(text: str, address: HostPort | UnixPath) -> None:
    assert parse(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text", ["", ":", ":80", "localhost", "localhost:", "localhost:http", "localhost:-1", "localhost:65536", "unix:"]
)
def test_what_is_no_address_is_said_so(text: str) -> None:
    with pytest.raises(ValueError, match="is neither HOST:PORT nor unix:PATH") as refused:
        parse(text)
    assert repr(text) in str(refused.value)
