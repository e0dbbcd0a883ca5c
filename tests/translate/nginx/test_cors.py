"""enable-cors and cors-*: values, their problems, and the policy.

Covers: the grammar of each value, elements of lists that are left out, groups of origins. Excludes: the answers
(tests/support/route_table_cors.py, tests/e2e/test_cors.py).
"""

import re

import pytest

from tests.support.objects import World, ingress, path, rule, service
from tests.support.route_table_annotations import annotated
from xds.traffic.cors import Cors, pattern
from xds.traffic.regex import DEFAULT_MAX_REGEX_SIZE, compiled
from xds.translate.nginx.cors import DEFAULT_HEADERS, DEFAULT_MAX_AGE_SECONDS, DEFAULT_METHODS

HOST = "a.example.com"
DEFAULTS = Cors((), DEFAULT_METHODS, DEFAULT_HEADERS, "", credentials=True, max_age_seconds=DEFAULT_MAX_AGE_SECONDS)


def world(annotations: dict[str, str], max_regex_size: int = DEFAULT_MAX_REGEX_SIZE) -> World:
    shop = ingress("shop", rule(HOST, path("/")), default="web", annotations=annotations)
    return World(service("web"), shop, max_regex_size=max_regex_size)


def policy(given: World) -> Cors | None:
    """The policy of the paths and of the default backend."""
    host = given.traffic.hosts[HOST]
    found = {each.policy.cors for each in (*host.routes, host.default, given.traffic.default) if each}
    assert len(found) == 1
    return found.pop()


def enabled(**values: str) -> tuple[Cors | None, list[str]]:
    """The policy, and the annotations with a problem."""
    given = world(annotated(enable_cors="true", **values))
    assert {each.reason for each in given.problems} <= {"AnnotationInvalid"}
    return policy(given), [str(each.field).rpartition("/")[2].rstrip("']") for each in given.problems]


def test_each_value_has_its_default() -> None:
    assert enabled() == (DEFAULTS, [])


@pytest.mark.parametrize("value", ["false", "F", "", "on", "yes"])
def test_cors_is_off_without_true(value: str) -> None:
    given = world(annotated(enable_cors=value))
    assert policy(given) is None
    assert given.reasons() == ([("shop", "AnnotationInvalid")] if value in ("on", "yes") else [])


def test_other_annotations_have_no_effect_without_enable_cors() -> None:
    given = world(annotated(cors_allow_origin="*", cors_max_age="1"))
    assert policy(given) is None
    assert given.reasons() == [("shop", "AnnotationUnsupported")] * 2
    assert all("enable-cors" in each.message for each in given.problems)


@pytest.mark.parametrize(
    ("written", "origins"),
    [
        ("*", ()),
        ("", ()),
        (" * ", ()),
        ("https://a.test, *", ()),
        ("https://a.test", (("https://a.test",),)),
        (
            " https://a.test ,http://b.test:8080,null, capacitor://localhost",
            (("https://a.test", "http://b.test:8080", "null", "capacitor://localhost"),),
        ),
        ("https://*.a.test:8443", (("https://*.a.test:8443",),)),
        ("null,null", (("null",),)),
    ],
)
def test_origins_are_read(written: str, origins: tuple[tuple[str, ...], ...]) -> None:
    found, problems = enabled(cors_allow_origin=written)
    assert found is not None
    assert (found.origins, problems) == (origins, [])


@pytest.mark.parametrize(
    "written",
    [
        *("https://a.test;$pid", "https://a.test/", "https://a.test/, *", "HTTPS://a.test", "https://a_b.test", " "),
        *(
            "https://a.test\r\nx: y",
            "https://a.test\n",
            "https://a.test:port",
            "https://%REQ(cookie)%",
            "https://é.test",
        ),
        *("https://**.a.test", "https://a.test\t", "x" * 3000, "$http_origin"),
    ],
)
def test_a_list_that_is_none_allows_nobody(written: str) -> None:
    assert enabled(cors_allow_origin=written) == (None, ["cors-allow-origin"])


@pytest.mark.parametrize(
    "element",
    [
        *("a.test", "", "https://", "https://a .test", "https://a.*.test", "https://*.*.a.test", "https://a.test:1:2"),
        *("chrome-extension://a", "https://*.", "https://*a.test".replace("*a", "*.,a"), "*.a.test", "nullx"),
        f"https://*.{'a' * 100}.test",
    ],
)
def test_an_element_that_is_no_origin_is_left_out(element: str) -> None:
    found, problems = enabled(cors_allow_origin=f"{element},https://c.test")
    assert found is not None
    assert found.origins == (("https://c.test",),)
    assert problems == ["cors-allow-origin"]
    assert enabled(cors_allow_origin=f"{element},a.test")[0] is None


def test_groups_of_origins_are_as_large_as_proxies_accept() -> None:
    origins = (*(f"https://*.kiosk{each}.example.com" for each in range(40)), f"https://{'k' * 90}.test")
    for size in (DEFAULT_MAX_REGEX_SIZE, 10_000):
        found = policy(world(annotated(enable_cors="true", cors_allow_origin=", ".join(origins)), size))
        assert found is not None
        assert tuple(each for group in found.origins for each in group) == origins
        sizes = [compiled(pattern(group)).programsize for group in found.origins if len(group) > 1 or "*" in group[0]]
        assert max(sizes) <= size
        assert len(found.origins) == (1 if size > DEFAULT_MAX_REGEX_SIZE else 21)
        assert found.allows("https://x.KIOSK39.example.com")
        assert found.allows(origins[-1])
        assert not found.allows("https://x.kiosk40.example.com")


@pytest.mark.parametrize(
    ("name", "written", "field", "value"),
    [
        ("cors_allow_methods", " PUT, GET ", "methods", "PUT, GET"),
        ("cors_allow_methods", "get", "methods", "get"),
        ("cors_allow_methods", "PUT GET,", "methods", "PUT GET,"),
        ("cors_allow_headers", "X-One,, x_two", "headers", "X-One,, x_two"),
        ("cors_expose_headers", "X-Three, *", "exposed_headers", "X-Three, *"),
        ("cors_expose_headers", "*", "exposed_headers", "*"),
        ("cors_allow_credentials", "false", "credentials", False),
        ("cors_allow_credentials", "1", "credentials", True),
        ("cors_max_age", "600", "max_age_seconds", 600),
        ("cors_max_age", "0", "max_age_seconds", 0),
        ("cors_max_age", "-1", "max_age_seconds", -1),
    ],
)
def test_values_are_sent_as_written(name: str, written: str, field: str, value: object) -> None:
    found, problems = enabled(**{name: written})
    assert (getattr(found, field), problems) == (value, [])
    assert found != DEFAULTS or value is True


@pytest.mark.parametrize(
    ("name", "written"),
    [
        *(("cors_allow_methods", value) for value in ("*", "GET,,PUT", ",GET", "GET;PUT", "PUT,\nGET", " ", "G%T")),
        *(("cors_allow_headers", value) for value in ("*", "X-A\r\nX-Evil: 1", "X-A\n", " ", "x:y", "é", "%REQ(x)%")),
        *(("cors_expose_headers", value) for value in ("X-A,,X-B", ",", "X-A\rX", "x y\n", "$x", "x" * 3000)),
        *(("cors_allow_credentials", value) for value in ("on", "yes", "True\n")),
        *(("cors_max_age", value) for value in ("10m", "1.5", "", " 60", "9" * 40)),
    ],
)
def test_a_bad_value_is_its_default(name: str, written: str) -> None:
    found, problems = enabled(**{name: written})
    assert found == DEFAULTS
    assert problems == ([name.replace("_", "-")] if written else [])


def test_expressions_compare_whole_origins() -> None:
    found = pattern(("https://*.a.test", "null"))
    assert found == r"(?i)https://(?-i:[A-Za-z0-9-]+)\.a\.test|null"
    for origin in ("xhttps://b.a.test", "https://b.a.testx", "https://baxtest", "nullx", "https://\u212a.a.test"):
        assert not compiled(found).fullmatch(origin)
    assert re.fullmatch(found.replace("(?-i:", "(?:"), "https://B.A.TEST")
