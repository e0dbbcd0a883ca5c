"""Addresses of the command line."""

import pytest

from xds.address import HostPort, UnixPath, is_local, parse


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
def test_an_address_is_parsed_and_formatted(text: str, address: HostPort | UnixPath) -> None:
    assert parse(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text", ["", ":", ":80", "localhost", "localhost:", "localhost:http", "localhost:-1", "localhost:65536", "unix:"]
)
def test_an_invalid_address_is_an_error_with_the_text(text: str) -> None:
    with pytest.raises(ValueError, match="is neither HOST:PORT nor unix:PATH") as raised:
        parse(text)
    assert repr(text) in str(raised.value)


@pytest.mark.parametrize(
    ("text", "local"),
    [
        ("127.0.0.1:1", True),
        ("127.8.0.1:1", True),
        ("[::1]:1", True),
        ("localhost:1", True),
        ("LOCALHOST:1", True),
        ("unix:/run/xds.sock", True),
        ("unix:@xds", True),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        ("10.0.0.1:1", False),
        ("[fe80::1]:1", False),
        ("localhost.example:1", False),
        ("127.1:1", False),
    ],
)
def test_an_address_is_local_if_only_this_machine_reaches_the_address(text: str, local: bool) -> None:
    assert is_local(parse(text)) == local
