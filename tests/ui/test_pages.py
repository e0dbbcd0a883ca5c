"""The pages from hostile, empty and large answers."""

from collections.abc import AsyncIterator

import pytest

from tests.ui.stand_in import HOSTILE, Ui, at, problem, proxy, reference, status
from xds.api.v1 import debug_pb2 as pb
from xds.server.debug.errors import (
    InvalidRequestError,
    NotFoundError,
    NotReadyError,
    OutsideHistoryError,
    OverdueError,
)
from xds.snapshot.resource import ResourceType
from xds.ui.rendering import SECTIONS

PATHS = [
    "/",
    "/ingresses",
    "/ingresses/default/shop",
    "/gateways",
    "/gateways/Gateway/default/edge",
    "/ports",
    "/ports/ConfigMap/default/tcp",
    "/explain?url=http://a.test/",
    "/problems",
    "/proxies",
    "/revisions",
    "/revisions/3",
    "/certificates",
    "/replicas",
]


@pytest.fixture
async def ui() -> AsyncIterator[Ui]:
    async with Ui() as ui:
        yield ui


def fill(ui: Ui) -> None:
    """Put a hostile text into every field for text."""
    answers, odd = ui.answers, HOSTILE
    named = reference(odd, "Ingress", odd)
    bad = pb.Problem(object=named, reason=odd, message=odd, remedy=odd, field=odd, location=odd, level=pb.LEVEL_ERROR)
    resource = pb.Dependency(type_url=odd, name=odd, version=odd)
    missing = pb.OutOfSync(type_url=odd, name=odd, message=odd, state=pb.DELIVERY_STATE_REJECTED)
    deliveries = [pb.ProxyDelivery(node_id=odd, peer=odd, out_of_sync=[missing])]
    answers.status = status(
        replica=odd,
        version=odd,
        source=pb.Source(name=odd, why=odd),
        leadership=pb.Leadership(elects=True, holder=odd),
        next_certificate=pb.Certificate(file=odd, not_after=at()),
    )
    answers.ingresses = pb.ListIngressesResponse(
        total=1,
        ingresses=[
            pb.IngressSummary(
                ingress=named, hosts=[pb.IngressHost(host=odd, tls=True)], addresses=[odd], errors=1, created_at=at()
            )
        ],
    )
    answers.why = pb.WhyIngressResponse(
        ingress=named,
        acceptance=pb.ACCEPTANCE_PARTLY,
        claim=odd,
        units=[pb.Unit(field=odd, text=odd, why=odd, cluster=odd, senior=named, expires=at())],
        problems=[pb.DatedProblem(problem=bad, since=at())],
        resources=[resource],
        proxies=deliveries,
        annotations=[pb.Annotation(name=odd, value=odd, text=odd)],
    )
    route = pb.TriedRoute(path_type=odd, path=odd, ingress=named, service=named, taken=True, why=odd)
    answers.explanation = pb.ExplainResponse(
        status=200,
        outcome=odd,
        location=odd,
        cluster=odd,
        steps=[pb.Step(stage=odd, text=odd, objects=[named], routes=[route])],
        problems=[bad],
        resources=[resource],
        proxies=deliveries,
    )
    answers.problems = [bad]
    rejection = pb.Rejection(version=odd, message=odd, rejected_at=at())
    types = pb.ProxyType(
        type_url=odd, acked_version=odd, rejected_resources=1, rejected_names=[odd], rejection=rejection
    )
    found = proxy(odd, types)
    found.MergeFrom(
        pb.Proxy(
            node_cluster=odd,
            user_agent=odd,
            unserved_types=[odd],
            stuck=[pb.Stuck(reason=odd, type_url=odd, since=at())],
            replica=odd,
        )
    )
    answers.proxies = pb.ListProxiesResponse(
        proxies=[found], unreachable=[pb.Replica(address=odd, error=odd, remedy=odd)], replicas=2
    )
    changes = [pb.TypeChanges(type_url=odd, added=1, changed=1, removed=1)]
    revision = pb.Revision(number=3, committed_at=at())
    answers.revisions = pb.ListRevisionsResponse(revisions=[pb.RevisionSummary(revision=revision, changes=changes)])
    content = '{"a": "<script>alert(1)</script> \\u202e", "<script>alert(1)": 1}'
    old, new = (pb.Resource(type_url=odd, name=odd, version=odd, json=each) for each in ("{}", content))
    answers.changes = [pb.ResourceChange(type_url=odd, name=odd, old=old, new=new)]
    certificate = pb.Certificate(secret=named, names=[odd], hosts=[odd], not_after=at(), is_default=True)
    answers.certificates = pb.ListCertificatesResponse(certificates=[certificate])
    port = pb.Port(name=odd, source=named, field=odd, text=odd, why=odd, service=named, cluster=odd, losers=[named])
    port.rejection = odd
    answers.ports = pb.ListPortsResponse(ports=[port])
    condition = pb.GatewayCondition(type=odd, status=odd, reason=odd, message=odd, failed=True)
    summary = pb.GatewaySummary(gateway=named, class_name=odd, addresses=[odd], conditions=[condition], routes=[named])
    answers.gateways = pb.ListGatewaysResponse(gateways=[summary])
    unit = pb.Unit(field=odd, text=odd, why=odd, cluster=odd, senior=named, object=named)
    answers.object = pb.WhyObjectResponse(
        object=pb.ObjectReference(kind=odd, namespace=odd, name=odd),
        role=odd,
        units=[unit],
        problems=[pb.DatedProblem(problem=bad)],
        resources=[resource],
        proxies=deliveries,
    )
    answers.replicas = pb.ListReplicasResponse(
        replicas=[pb.Replica(self=True, status=answers.status), pb.Replica(address=odd, error=odd, remedy=odd)]
    )


@pytest.mark.parametrize("path", PATHS)
async def test_hostile_text_is_shown_as_text(ui: Ui, path: str) -> None:
    fill(ui)
    code, html = await ui.get(path)
    assert code == 200
    assert "<script>alert" not in html
    assert "&lt;script&gt;alert(1)" in html
    for sign in ("\u202e", "\u200b", "quoted' "):
        assert sign not in html
    assert r"\u202egnp.exe\u200b" in html
    assert "{{ 7 * 7 }}" in html


@pytest.mark.parametrize("path", [*PATHS[:-3], *PATHS[-2:]])
async def test_a_query_is_sent_back_as_text(ui: Ui, path: str) -> None:
    mark = "&" if "?" in path else "?"
    names = ("q", "namespace", "host", "state", "object", "reason", "level", "method", "headers", "source", "page")
    odd = "&".join(f"{name}=%22%3E%3Cscript%3Ealert(1)%3A" for name in names)
    _, html = await ui.get(f"{path}{mark}{odd}")
    assert "<script>alert" not in html
    assert "<h1" in html


@pytest.mark.parametrize("path", [*PATHS, "/nothing"])
async def test_a_page_has_a_title_a_heading_and_the_navigation(ui: Ui, path: str) -> None:
    _, html = await ui.get(path)
    assert html.startswith('<!doctype html>\n<html lang="en">')
    assert html.count("<h1") == 1
    assert html.count("<main") == 1
    assert "· xds-ingress</title>" in html
    for name, address in SECTIONS:
        assert f'<a href="{address}"' in html
        assert f">{name}" in html
    for forbidden in ("style=", "onclick", "<style", "javascript:", "http-equiv"):
        assert forbidden not in html


async def test_titles_differ(ui: Ui) -> None:
    titles = {(await ui.get(path))[1].partition("<title>")[2].partition("</title>")[0] for path in PATHS}
    assert len(titles) == len(PATHS)


async def test_a_fresh_install_says_the_commands_to_type(ui: Ui) -> None:
    ui.answers.status.ClearField("ingresses")
    ui.answers.status.ClearField("proxies")
    _, html = await ui.get("/")
    assert "No Ingress yet." in html
    assert "kubectl create ingress" in html
    assert "-o yaml &gt; folder/shop.yaml" in html
    assert "xds bootstrap --xds 127.0.0.1:18000 --node-id envoy-1 &gt; envoy.yaml" in html
    assert "xds bootstrap" in (await ui.get("/proxies"))[1]
    assert "kubectl create ingress" in (await ui.get("/ingresses"))[1]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotFoundError("there is no Ingress a/b"), 404),
        (NotReadyError(), 503),
        (InvalidRequestError("the page is too large"), 400),
        (OverdueError("the answer takes longer than 2 s: try again in a moment"), 503),
        (OutsideHistoryError("the history reaches from revision 1 to 2"), 404),
    ],
)
async def test_an_error_is_a_page_with_its_sentence(ui: Ui, error: Exception, code: int) -> None:
    ui.answers.error = error
    status_, html = await ui.get("/ingresses/a/b")
    assert status_ == code
    assert f"{str(error)[1:]}." in html
    assert ("Retry-After" in ui.headers) == (code == 503)
    assert "<nav" in html


async def test_a_question_that_makes_no_sense_keeps_the_form(ui: Ui) -> None:
    ui.answers.error = InvalidRequestError("'nonsense' has no host; write http://HOST/PATH")
    code, html = await ui.get("/explain?url=nonsense&headers=A:%20b")
    assert code == 400
    assert "has no host" in html
    assert 'value="nonsense"' in html
    assert ">A: b</textarea>" in html


async def test_the_form_asks_for_the_request(ui: Ui) -> None:
    await ui.get("/explain?url=http://a.test/&method=POST&source=10.0.0.1&headers=Host:%20b.test%0D%0AX-A:b:c%0A%0A")
    assert ui.answers.asked == [
        pb.ExplainRequest(
            url="http://a.test/",
            method="POST",
            source="10.0.0.1",
            headers=[pb.Header(name="Host", value="b.test"), pb.Header(name="X-A", value="b:c")],
        )
    ]
    code, html = await ui.get("/explain?url=http://a.test/&headers=nonsense")
    assert code == 400
    assert "is no header" in html


async def test_the_form_shows_the_end_of_a_connection(ui: Ui) -> None:
    text = "refused: nothing listens on tcp/9000"
    ui.answers.explanation = pb.ExplainResponse(connection=pb.CONNECTION_REFUSED, outcome=text)
    _, html = await ui.get("/explain?url=tcp://a.test:9000")
    assert '<b class="code">refused</b> nothing listens on tcp/9000' in html


async def test_ports_are_filtered_by_words_and_state(ui: Ui) -> None:
    served, dead, out = pb.UNIT_STATUS_SERVED, pb.UNIT_STATUS_NO_ENDPOINTS, pb.UNIT_STATUS_LEFT_OUT
    states = {"tcp/1": served, "tcp/2": dead, "udp/3": out, "udp/4": served}
    ports = [pb.Port(name=name, status=state, source=reference("tcp", "ConfigMap")) for name, state in states.items()]
    ports[3].rejecting_proxies = 1
    ports[3].rejection = "1 of 2 proxies (envoy-1) cannot bind the port"
    ui.answers.ports = pb.ListPortsResponse(ports=ports)
    for query, found in {
        "": list(states),
        "q=UDP+configmap": ["udp/3", "udp/4"],
        "state=served": ["tcp/1"],
        "state=no_endpoints": ["tcp/2"],
        "state=not_served": ["udp/3"],
        "state=rejected": ["udp/4"],
        "q=nothing": [],
    }.items():
        _, html = await ui.get(f"/ports?{query}")
        assert [name for name in states if f">{name}</a>" in html] == found
    assert "Show all 4" in html
    _, html = await ui.get("/ports")
    assert 'href="/explain?url=tcp%3A%2F%2F%3A1"' in html
    assert "cannot bind the port" in html
    assert 'href="/ports/ConfigMap/default/tcp"' in html


async def test_the_page_of_an_object_asks_for_its_uses(ui: Ui) -> None:
    await ui.get("/ports/Service/a%2Fb/web")
    assert ui.answers.asked == [pb.WhyObjectRequest(object=reference("web", "Service", "a/b"))]


async def test_the_page_of_a_gateway_or_route_asks_for_its_parts(ui: Ui) -> None:
    gateway, gateway_class = (
        reference("edge", "Gateway", "infra"),
        pb.ObjectReference(kind="GatewayClass", name="envoy"),
    )
    unit = pb.Unit(field="spec.listeners[0]", text="listener http", status=pb.UNIT_STATUS_BROKEN, object=gateway)
    ui.answers.object = pb.WhyObjectResponse(object=gateway, acceptance=pb.ACCEPTANCE_PARTLY, units=[unit])
    status, html = await ui.get("/gateways/Gateway/infra/edge")
    assert status == 200
    assert "listener http" in html
    assert "Parts" in html
    await ui.get("/gateways/GatewayClass/envoy")
    assert ui.answers.asked == [pb.WhyObjectRequest(object=each) for each in (gateway, gateway_class)]


async def test_an_object_of_the_gateway_api_is_linked_to_its_page(ui: Ui) -> None:
    about = reference("shop", "HTTPRoute", "default")
    ui.answers.problems = [pb.Problem(object=about, reason="RouteRefused")]
    _, html = await ui.get("/problems")
    assert 'href="/gateways/HTTPRoute/default/shop"' in html


async def test_the_list_of_ingresses_is_filtered_by_the_server(ui: Ui) -> None:
    ui.answers.ingresses = pb.ListIngressesResponse(total=1)
    await ui.get("/ingresses?q=shop+tls&namespace=a&host=b.test&state=partly_accepted&order=worst&page=1")
    asked = ui.answers.asked[0]
    assert isinstance(asked, pb.ListIngressesRequest)
    assert (asked.text, asked.namespace, asked.host, asked.skip) == ("shop tls", "a", "b.test", 0)
    assert (list(asked.states), asked.order) == ([pb.ACCEPTANCE_PARTLY], pb.INGRESS_ORDER_WORST)


async def test_a_page_beyond_the_end_is_the_last_one(ui: Ui) -> None:
    ui.answers.ingresses = pb.ListIngressesResponse(total=120)
    for number in ("9999999", "99999999999999999999", "-1", "x", "٣"):
        ui.answers.asked.clear()
        assert (await ui.get(f"/ingresses?page={number}"))[0] == 200
        asked = ui.answers.asked[-1]
        assert isinstance(asked, pb.ListIngressesRequest)
        assert asked.skip in (0, 100)


async def test_a_list_of_thousands_is_a_page_of_it(ui: Ui) -> None:
    ui.answers.problems = [problem(f"shop-{number}") for number in range(10_000)]
    _, html = await ui.get("/problems?page=2")
    assert html.count('<article class="problem') == 50
    assert "Page 2 of 200 · 10,000 problems" in html
    ui.answers.proxies = pb.ListProxiesResponse(proxies=[proxy(f"envoy-{number}") for number in range(1000)])
    _, html = await ui.get("/proxies")
    assert html.count("<tr data-key") == 100


async def test_problems_are_filtered_by_reason_level_and_object(ui: Ui) -> None:
    other = problem("other", "TlsSecretNotFound", pb.LEVEL_WARNING)
    ui.answers.problems = [problem("shop"), other]
    for query in ("reason=TlsSecretNotFound", "level=warning", "object=ingress+default/OTHER"):
        _, html = await ui.get(f"/problems?{query}")
        assert html.count('<article class="problem') == 1
        assert "/ingresses/default/other" in html


async def test_a_rejection_links_the_object_behind_the_resource(ui: Ui) -> None:
    rejection = pb.Rejection(message="no such\nfield", rejected_at=at())
    names = ["default/web/80"]
    type_ = pb.ProxyType(type_url=ResourceType.CLUSTER, rejected_resources=1, rejected_names=names, rejection=rejection)
    ui.answers.proxies = pb.ListProxiesResponse(proxies=[proxy("a", type_), proxy("b", type_)])
    behind = problem("guilty", "RejectedByProxy")
    behind.message = "Cluster default/web/80 is not served; the proxy says no such field"
    ui.answers.problems = [behind, problem("innocent")]
    _, html = await ui.get("/proxies")
    rejections = html.partition('id="rejections"')[2]
    assert "no such\nfield" in rejections
    assert "2 proxies: a, b." in rejections
    assert "/ingresses/default/guilty" in rejections
    assert "innocent" not in rejections


async def test_an_object_has_a_link_that_leads_to_it(ui: Ui) -> None:
    ui.answers.problems = [problem("a b/c?d")]
    _, html = await ui.get("/problems")
    assert '/ingresses/default/a%20b%2Fc%3Fd"' in html
    await ui.get("/ingresses/default/a%20b%2Fc%3Fd")
    assert ui.answers.asked == [pb.WhyIngressRequest(namespace="default", name="a b/c?d")]


async def test_replicas_that_differ_are_marked(ui: Ui) -> None:
    def replica(version: str) -> pb.Replica:
        types = [
            pb.TypeVersion(type_url=ResourceType.CLUSTER, version=version),
            pb.TypeVersion(type_url=ResourceType.ROUTES, version="same"),
        ]
        return pb.Replica(status=status(snapshot=pb.Snapshot(types=types)))

    ui.answers.replicas = pb.ListReplicasResponse(
        replicas=[replica("1"), replica("2"), pb.Replica(address="10.0.0.3:1", error="it does not answer")]
    )
    _, html = await ui.get("/replicas")
    assert html.count('class="differs"') == 1
    assert "it does not answer" in html


async def test_a_revision_of_thousands_of_changes_shows_the_first(ui: Ui) -> None:
    counts = [pb.TypeChanges(type_url=ResourceType.CLUSTER, added=5000)]
    ui.answers.revisions = pb.ListRevisionsResponse(
        revisions=[pb.RevisionSummary(revision=pb.Revision(number=7, committed_at=at()), changes=counts)]
    )
    ui.answers.changes = [
        pb.ResourceChange(type_url=ResourceType.CLUSTER, name=f"c{number}", new=pb.Resource(json="{}"))
        for number in range(5000)
    ]
    _, html = await ui.get("/revisions/7")
    assert html.count("<ins>+ added</ins>") == 50
    assert "4,950 more changes" in html
    assert (await ui.get("/revisions/6"))[0] == 404
    assert (await ui.get("/revisions/x"))[0] == 404


async def test_a_source_that_is_still_read_says_so(ui: Ui) -> None:
    ui.answers.status.ClearField("snapshot")
    code, html = await ui.get("/")
    assert code == 200
    assert "still being read" in html


async def test_gateways_are_listed_with_addresses_conditions_and_routes(ui: Ui) -> None:
    fine = pb.GatewayCondition(type="Accepted", status="True", reason="Accepted")
    bad = pb.GatewayCondition(type="Programmed", status="False", reason="Invalid", message="no address", failed=True)
    routes = [reference(f"route-{number}", "HTTPRoute") for number in range(23)]
    ui.answers.gateways = pb.ListGatewaysResponse(
        gateways=[
            pb.GatewaySummary(
                gateway=reference("edge", "Gateway", "infra"),
                class_name="envoy",
                addresses=["192.0.2.1"],
                acceptance=pb.ACCEPTANCE_ACCEPTED,
                conditions=[fine],
                routes=routes,
            ),
            pb.GatewaySummary(
                gateway=reference("dark", "Gateway", "infra"),
                acceptance=pb.ACCEPTANCE_NOT_SERVED,
                conditions=[fine, bad],
            ),
        ]
    )
    _, html = await ui.get("/gateways")
    for text in ("192.0.2.1", "/gateways/HTTPRoute/default/route-0", "and 3 more", "Invalid: no address", "none yet"):
        assert text in html, text
    for query, found in {
        "": ["edge", "dark"],
        "q=ROUTE-22": ["edge"],
        "q=192.0.2": ["edge"],
        "q=invalid": ["dark"],
        "state=accepted": ["edge"],
        "state=not_served": ["dark"],
        "state=partly_accepted": [],
    }.items():
        _, html = await ui.get(f"/gateways?{query}")
        assert [name for name in ("edge", "dark") if f'href="/gateways/Gateway/infra/{name}"' in html] == found, query
    assert "Show all 2" in html


async def test_the_overview_of_gateways_alone_asks_for_no_ingress(ui: Ui) -> None:
    ui.answers.status.ClearField("ingresses")
    ui.answers.status.gateways.MergeFrom(pb.GatewayCounts(accepted=2, routes=5))
    _, html = await ui.get("/")
    assert "All 2 Gateways are served by 1 proxy." in html
    assert "5 routes" in html
    assert "kubectl create ingress" not in html
