"""satisfy: whether one condition of access suffices.

Covers: the conditions with lists, passwords and authorizers, bad values, what Envoy can't do. Excludes: the answers of
a real Envoy (tests/e2e/test_address_lists.py).
"""

from dataclasses import replace
from typing import Final

import pytest

from xds.problems.problem import Key
from xds.problems.reasons import Reason
from xds.resources.filters.address_lists import DENIED as DENIED_FILTER
from xds.resources.filters.chain import route_filters
from xds.traffic.access import Access, Passwords
from xds.traffic.authorizer import Authorizer, AuthorizerUrl
from xds.traffic.policy import Policy
from xds.translate.nginx import satisfy
from xds.translate.nginx.reader import AnnotationReader

LIST: Final = ("10.0.0.0/8",)
DENIED: Final = ("10.1.0.0/16",)
BY_AUTHZ: Final = Passwords("", (("u", "{SHA}x"),), Key("default", "shop"))
BY_PROXY: Final = replace(BY_AUTHZ, by_authz=False)
AUTHORIZER: Final = Authorizer(AuthorizerUrl(False, "auth.test", 80, "/"))


def joined(access: Access, value: str = "any") -> tuple[Access, list[Reason]]:
    reasons: list[Reason] = []
    reader = AnnotationReader({satisfy.SATISFY.full_name: value}, lambda _name, reason, *_: reasons.append(reason))
    found = satisfy.joined(reader, access)
    assert isinstance(found, Access)
    return found, reasons


@pytest.mark.parametrize(
    "asked",
    [
        Access(DENIED, LIST),
        Access(DENIED),
        Access(allowed=LIST),
    ],
    ids=repr,
)
def test_any_of_one_condition_is_all_of_them(asked: Access) -> None:
    assert joined(asked) == (asked, [])


@pytest.mark.parametrize(
    "listed", [Access(None, LIST, BY_AUTHZ), Access(None, LIST, None, AUTHORIZER)], ids=["passwords", "auth-url"]
)
def test_a_list_suffices_and_so_does_the_other_condition(listed: Access) -> None:
    assert joined(listed) == (replace(listed, any_suffices=True), [])
    both = replace(listed, denied=DENIED)
    assert joined(both) == (replace(both, any_suffices=True), [])


@pytest.mark.parametrize("passwords", [BY_AUTHZ, BY_PROXY])
def test_not_to_be_denied_is_not_enough(passwords: Passwords) -> None:
    found, reasons = joined(Access(DENIED, passwords=passwords))
    assert (found.any_suffices, reasons) == (True, [])
    assert DENIED_FILTER not in route_filters(Policy(access=found))


@pytest.mark.parametrize(
    "asked",
    [
        Access(allowed=LIST, passwords=BY_PROXY),
        Access(DENIED, LIST, BY_PROXY),
        Access(passwords=BY_AUTHZ, authorizer=AUTHORIZER),
        Access(DENIED, LIST, BY_AUTHZ, AUTHORIZER),
    ],
    ids=repr,
)
def test_where_envoy_can_not_ask_for_any_all_must_hold(asked: Access) -> None:
    assert joined(asked) == (asked, [Reason.ANNOTATION_UNSUPPORTED])


@pytest.mark.parametrize(
    ("value", "counts", "reasons"),
    [
        (" ANY ", True, []),
        ("all", False, []),
        ("", False, []),
        ("either", False, [Reason.ANNOTATION_INVALID]),
        ("any\r\nallow all", False, [Reason.ANNOTATION_INVALID]),
    ],
)
def test_any_other_word_is_all(value: str, counts: bool, reasons: list[Reason]) -> None:
    found, reported = joined(Access(allowed=LIST, passwords=BY_AUTHZ), value)
    assert (found.any_suffices, reported) == (counts, reasons)
