"""From a URL and headers to a request. Excludes: the answer (test_narration, tests/e2e/test_explain)."""

import pytest

from xds.explain.request import Request
from xds.explain.url import QuestionError, question


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://a.example.com", Request("a.example.com", "/")),
        ("a.example.com/x", Request("a.example.com", "/x")),
        ("HTTP://A.example.com:80/x", Request("A.example.com", "/x")),
        ("http://a.example.com:8080?q=1", Request("a.example.com:8080", "/?q=1", port=8080)),
        ("http://user:word@a.example.com/x#part", Request("a.example.com", "/x")),
        ("http://a.example.com/a/../%2e//b c/é", Request("a.example.com", "/a/../%2e//b%20c/%C3%A9")),
        ("https://a.example.com:443/", Request("a.example.com", "/", https=True, sni="a.example.com")),
        (
            "https://a.example.com.:8443/",
            Request("a.example.com.:8443", "/", https=True, sni="a.example.com", port=8443),
        ),
        ("https://127.0.0.1/", Request("127.0.0.1", "/", https=True, address="127.0.0.1")),
        ("https://[::1]:8443/", Request("[::1]:8443", "/", https=True, address="::1", port=8443)),
        ("http://bücher.example/", Request("xn--bcher-kva.example", "/")),
    ],
)
def test_a_url_becomes_a_request(url: str, expected: Request) -> None:
    assert question(url, "GET", ()) == expected


def test_the_host_header_wins_over_the_url() -> None:
    headers = [("HOST", " other.test "), ("X-Forwarded-Proto", "https"), ("x-forwarded-proto", "http"), ("x-a", "b")]
    asked = question("https://a.example.com/", "POST", headers)
    assert asked == Request(
        "other.test",
        "/",
        https=True,
        sni="a.example.com",
        method="POST",
        forwarded_proto="https,http",
        headers=(("x-a", "b"),),
    )


@pytest.mark.parametrize(
    ("url", "method", "headers", "message"),
    [
        ("ftp://a", "GET", (), "no URL of http://"),
        ("http:///x", "GET", (), "has no host"),
        ("", "GET", (), "has no host"),
        ("http://a:b/", "GET", (), "no valid port"),
        ("http://a:99999/", "GET", (), "no valid port"),
        ("http://b\xfc..cher/", "GET", (), "DNS"),
        ("http://a/", "CONNECT", (), "--method"),
        ("http://a/", "GET", [("a b", "c")], "-H 'name: value'"),
        ("http://a/", "GET", [("host", "a"), ("Host", "b")], "one Host header"),
    ],
)
def test_an_impossible_request_is_rejected(url: str, method: str, headers: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(QuestionError, match=message):
        question(url, method, headers)


@pytest.mark.parametrize(("written", "client"), [("", ""), ("10.0.0.1", "10.0.0.1"), ("::ffff:10.0.0.1", "10.0.0.1")])
def test_a_client_is_an_address(written: str, client: str) -> None:
    assert question("http://a.example.com", "GET", (), written).client == client


@pytest.mark.parametrize("written", ["10.0.0.0/8", "localhost", "10.0.0.1:80"])
def test_another_text_is_no_client(written: str) -> None:
    with pytest.raises(QuestionError):
        question("http://a.example.com", "GET", (), written)
