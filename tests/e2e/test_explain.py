"""The answers of `xds explain` to a request, against a real Envoy's.

Covers: generated requests on generated Ingresses: status, backend, path at the backend, target of a redirect,
certificate of the connection. XDS_EXPLAIN_EXAMPLES is the number of requests for each set of options, and is printed;
HYPOTHESIS_PROFILE=default generates new requests in each run. Excludes: hand-written cases (test_route_table).
"""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from tests.support.envoy import needs_envoy
from tests.support.objects import key
from tests.support.oracle import Oracle, Seen
from tests.support.requests import ALIVE, FIXED, ingresses, requests
from xds.controlplane.pipeline import Pipeline
from xds.explain.answer import Handshake
from xds.explain.matcher import answer
from xds.explain.narration import explain_now
from xds.explain.request import Request, normalized
from xds.kube.objects import Ingress
from xds.resources.options import ProxyOptions
from xds.translate.options import TranslateOptions

pytestmark = needs_envoy

EXAMPLES: Final = int(os.environ.get("XDS_EXPLAIN_EXAMPLES", "800"))
AT_ONCE: Final = 40
"""Requests on one set of Ingresses."""

OPTIONS: Final = {
    "plain": (TranslateOptions(), ProxyOptions()),
    "redirect": (
        TranslateOptions(default_tls_secret=key("default")),
        ProxyOptions(redirect_https=True, merge_slashes=False),
    ),
    "port": (TranslateOptions(), ProxyOptions(redirect_https=True, public_https_port=30443)),
    "trusted": (TranslateOptions(default_tls_secret=key("nowhere")), ProxyOptions(redirect_https=True, trusted_hops=1)),
}


@pytest.fixture(params=OPTIONS, scope="module")
def oracle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Oracle]:
    with Oracle(tmp_path_factory.mktemp("oracle"), FIXED, ALIVE, *OPTIONS[request.param]) as running:
        yield running


@pytest.mark.timeout(60 + EXAMPLES // 20)
def test_envoy_does_as_is_said(oracle: Oracle, record_property: Callable[[str, object], None]) -> None:
    asked: Counter[int] = Counter()

    @settings(
        max_examples=-(-EXAMPLES // AT_ONCE),
        deadline=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],  # an example is quickly read, and slowly shrunk
        database=None,
    )
    @given(ingresses, st.lists(requests, min_size=AT_ONCE, max_size=AT_ONCE))
    def compare(some: list[Ingress], tried: list[Request]) -> None:
        oracle.become(some)
        for request, seen in zip(tried, oracle.ask(tried), strict=True):
            asked[seen.status] += 1
            told = expected(oracle.pipeline, request)
            note(f"{request}\nsaid {told}\nseen {seen}")
            assert told == seen

    compare()
    record_property("requests by status", f"{asked.total()}, {dict(sorted(asked.items()))}")


def expected(pipeline: Pipeline, request: Request) -> Seen:
    """The explanation in the words of the oracle."""
    told = explain_now(pipeline.state_reader, request)
    path = (
        normalized(request.path, merge_slashes=pipeline.state_reader.options.merge_slashes)
        + "".join(request.path.partition("?")[1:])
        if told.backend
        else ""
    )
    return Seen(
        told.status,
        str(told.backend.key.service_key) if told.backend else "",
        path,
        told.location,
        certificate_of(pipeline, request),
    )


def certificate_of(pipeline: Pipeline, request: Request) -> bytes:
    for step in answer(pipeline.traffic, request).steps:
        if isinstance(step, Handshake) and step.termination:
            chain = pipeline.traffic.certificates[step.termination.secrets[0]].chain
            return x509.load_pem_x509_certificate(chain).public_bytes(Encoding.DER)
    return b""
