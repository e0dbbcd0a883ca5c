"""The chain of HTTP filters: one version for each form, and no route that switches on a filter it lacks."""

import hashlib

from xds.envoyapi import codec
from xds.envoyapi.messages import HttpConnectionManager
from xds.resources import names
from xds.resources.filters.chain import SWITCHED, http_filters
from xds.resources.filters.error_pages import NAME, ORIGINAL_PATH_NAME

DIGESTS = {2: "ef06918804c00653", 3: "07bd9408cf176f51"}
"""Of the released chains, by version."""


def test_another_chain_has_another_version() -> None:
    digest = hashlib.sha256(codec.encode(HttpConnectionManager(http_filters=http_filters()))).hexdigest()[:16]
    assert DIGESTS[names.CHAIN_VERSION] == digest


def test_routes_switch_on_filters_of_the_chain() -> None:
    switched_off = {each.name for each in http_filters() if each.disabled}
    assert SWITCHED.keys() | {NAME, ORIGINAL_PATH_NAME} <= switched_off


def test_filters_have_names_of_their_own() -> None:
    found = [each.name for each in http_filters()]
    assert len(found) == len(set(found))
