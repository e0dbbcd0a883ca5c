"""The route table of ingress-nginx's annotations."""

from tests.support.objects import exact, ingress, path, rule, specific
from tests.support.route_case import FORBIDDEN, NOT_FOUND, UNAVAILABLE, Table, http, services
from xds.translate.nginx.annotation import PREFIX


def annotated(**values: str) -> dict[str, str]:
    """Annotations by their names without the prefix, with underscores for hyphens."""
    return {PREFIX + name.replace("_", "-"): text for name, text in values.items()}


def canary(**values: str) -> dict[str, str]:
    """The annotations of a canary."""
    return annotated(canary="true", **values)


REDIRECTS = Table(
    "redirects",
    (
        ingress(
            "old", rule("a.test", path("/old")), annotations=annotated(permanent_redirect="https://new.test/x?y=1")
        ),
        ingress(
            "code",
            rule("a.test", path("/code")),
            annotations=annotated(permanent_redirect="https://new.test", permanent_redirect_code="308"),
        ),
        ingress("moved", rule("a.test", path("/moved")), annotations=annotated(permanent_redirect="/elsewhere?q=1")),
        ingress(
            "both",
            rule("a.test", path("/both")),
            annotations=annotated(permanent_redirect="https://p.test", temporal_redirect="https://t.test"),
        ),
        ingress(
            "bad-code",
            rule("a.test", path("/bad-code")),
            annotations=annotated(temporal_redirect="https://t.test", temporal_redirect_code="308"),
        ),
        ingress(
            "missing", rule("a.test", path("/missing", "no")), annotations=annotated(permanent_redirect="http://x")
        ),
        ingress("bad", rule("a.test", path("/bad")), annotations=annotated(permanent_redirect="https://x$request_uri")),
        ingress("plain", rule("a.test", path("/"))),
        ingress("wild", rule("*.w.test", path("/")), annotations=annotated(permanent_redirect="/x")),
    ),
    services("web"),
    (
        http("a.test", "/old/page?z=2", 301),
        http("a.test", "/code", 308),
        http("a.test", "/moved/page", 301),
        http("a.test", "/both", 302, "a temporal redirect precedes a permanent one"),
        http("a.test", "/bad-code", 302, "a code that no temporal redirect has: the default"),
        http("a.test", "/missing", 301, "the Service need not exist"),
        http("a.test", "/bad", "web", "a bad URL counts as absent"),
        http("a.test", "/other", "web", "the annotation is for the paths of its Ingress"),
        http("b.w.test", "/", 301),
    ),
)

REGEX = Table(
    "regex",
    (
        ingress("regex", rule("a.test", specific("/api/(v1|v2)/.*", "api")), annotations=annotated(use_regex="true")),
        ingress("docs", rule("a.test", path("/docs", "docs"), exact("/exact", "exact"))),
        ingress("root", rule("a.test", path("/", "root"))),
        ingress(
            "rewritten",
            rule("b.test", specific("/shop(/|$)(.*)", "shop"), specific("/long/shop", "long")),
            annotations=annotated(rewrite_target="/$2"),
        ),
        ingress("same", rule("c.test", path("/same", "same")), annotations=annotated(rewrite_target="/same")),
        ingress(
            "rooted", rule("d.test", exact("/", "rooted"), path("/x", "x")), annotations=annotated(app_root="/app")
        ),
        ingress(
            "bad",
            rule("e.test", specific("/a(?!b)", "no"), path("/a", "plain")),
            annotations=annotated(use_regex="true"),
        ),
        ingress("either", rule("f.test", specific("/one|/two", "two")), annotations=annotated(use_regex="true")),
        ingress("wild", rule("*.g.test", specific("/w.*x", "wild")), annotations=annotated(use_regex="true")),
        ingress(
            "closed",
            rule("h.test", specific("/admin/(.*)", "no")),
            annotations=annotated(use_regex="true", auth_url="auth.test"),
        ),
        ingress("open", rule("h.test", path("/", "root2"))),
        ingress(
            "unusable",
            rule("i.test", specific("/admin(?!/help)(.*)", "no")),
            annotations=annotated(use_regex="true", auth_url="auth.test"),
        ),
        ingress("around", rule("i.test", path("/", "root2"))),
        ingress("loses", rule("j.test", exact("/", "plain")), annotations=annotated(use_regex="true"), created=2),
        ingress("owns", rule("j.test", exact("/", "root2")), created=1),
    ),
    services(
        "api", "docs", "exact", "root", "shop", "long", "same", "rooted", "x", "no", "plain", "two", "wild", "root2"
    ),
    (
        http("a.test", "/api/v1/x", "api"),
        http("a.test", "/API/V2/", "api", "whatever the case"),
        http("a.test", "/api/v3/x", "root"),
        http("a.test", "/docs", "docs"),
        http("a.test", "/docsearch", "docs", "a path of another Ingress is an expression too, with an open end"),
        http("a.test", "/DOCS/x", "docs"),
        http("a.test", "/exact/below", "exact", "types mean nothing"),
        http("a.test", "/", "root"),
        http("b.test", "/shop", "shop"),
        http("b.test", "/Shop/a/b?c=d", "shop"),
        http("b.test", "/shopping", NOT_FOUND),
        http("b.test", "/long/shop/x", "long"),
        http("b.test", "/", NOT_FOUND),
        http("c.test", "/SAMEness", "same", "a target equal to a Prefix path rewrites the paths below"),
        http("d.test", "/", 302),
        http("d.test", "/?a=b", 302),
        http("d.test", "/x", "x"),
        http("d.test", "/X", NOT_FOUND, "app-root leaves the paths as they are"),
        http("e.test", "/ac", "plain", "an expression that RE2 hasn't is left out"),
        http("f.test", "/one/x", "two"),
        http("f.test", "/x/two", "two", "the anchor holds for the first alternative"),
        http("f.test", "/x/one", NOT_FOUND),
        http("x.g.test", "/wyyx", "wild"),
        http("x.y.g.test", "/wyyx", NOT_FOUND),
        http("h.test", "/ADMIN/x", UNAVAILABLE, "an expression closes the paths that it matches"),
        http("h.test", "/other", "root2"),
        http("i.test", "/admin/x", UNAVAILABLE, "a closed path that RE2 hasn't closes the host"),
        http("i.test", "/", UNAVAILABLE),
        http("j.test", "/", "root2"),
        http("j.test", "/x", NOT_FOUND, "an Ingress that has no path of the host makes no expressions"),
    ),
)

PROTECTED = Table(
    "protected",
    (
        ingress("auth", rule("a.test", path("/auth")), annotations=annotated(auth_url="auth.test/check")),
        ingress("plain", rule("a.test", path("/"))),
        ingress(
            "redirected",
            rule("a.test", path("/redirected")),
            annotations=annotated(whitelist_source_range="10.0.0.0/8", permanent_redirect="https://new.test"),
        ),
        ingress(
            "spoilt",
            rule("a.test", path("/spoilt")),
            annotations=annotated(whitelist_source_range="10.0.0.0/8,", permanent_redirect="https://new.test"),
        ),
        ingress("lists", rule("b.test", path("/lists")), default="web", annotations=annotated(auth_type="basic")),
        ingress("snippet", rule("a.test", path("/snippet")), annotations=annotated(configuration_snippet="deny all;")),
        ingress("server", rule("e.test", path("/server")), annotations=annotated(server_snippet="deny all;")),
        ingress("beside", rule("e.test", path("/beside"))),
        ingress("harmless", rule("a.test", path("/harmless")), annotations=annotated(server_snippet="gzip on;")),
        ingress("cert", rule("c.test", path("/cert")), annotations=annotated(auth_tls_secret="default/ca")),
        ingress("neighbour", rule("c.test", path("/neighbour"))),
    ),
    services("web"),
    (
        http("a.test", "/auth", UNAVAILABLE),
        http("a.test", "/auth/below", UNAVAILABLE),
        http("a.test", "/", "web", "another Ingress of the host stays open"),
        http("a.test", "/redirected", 301, "access decides on the requests of the Location"),
        http("a.test", "/spoilt", UNAVAILABLE, "what can't be protected isn't redirected either"),
        http("a.test", "/snippet", UNAVAILABLE),
        http("a.test", "/harmless", "web"),
        http("e.test", "/server", UNAVAILABLE),
        http("e.test", "/beside", UNAVAILABLE, "a server-snippet of nginx is for the whole host"),
        http("b.test", "/lists", UNAVAILABLE),
        http("b.test", "/other", UNAVAILABLE, "the default backend of a protected Ingress"),
        http("c.test", "/cert", FORBIDDEN),
        http("c.test", "/neighbour", FORBIDDEN, "client certificates protect the whole host"),
        http("c.test", "/other", FORBIDDEN),
        http("d.test", "/", UNAVAILABLE, "hosts that no rule names, by the same default backend"),
    ),
)

UNPROTECTED = Table(
    "unprotected",
    (ingress("shop", rule("a.test", path("/shop")), annotations=annotated(enable_modsecurity="false")),),
    services("web"),
    (http("a.test", "/shop", "web"), http("a.test", "/", NOT_FOUND)),
)

CANARIES = Table(
    "canaries",
    (
        ingress("main", rule("a.test", path("/word"), path("/value"), path("/pattern"), path("/cookie"), path("/all"))),
        ingress("word", rule("a.test", path("/word", "next")), annotations=canary(canary_by_header="X-Canary")),
        ingress(
            "value",
            rule("a.test", path("/value", "next")),
            annotations=canary(canary_by_header="X-Canary", canary_by_header_value="blue:1"),
        ),
        ingress(
            "pattern",
            rule("a.test", path("/pattern", "next")),
            annotations=canary(canary_by_header="X_Canary", canary_by_header_pattern="(beta|qa)[0-9]"),
        ),
        ingress(
            "cookie",
            rule("a.test", path("/cookie", "next")),
            annotations=canary(canary_by_header="X-Canary", canary_by_cookie="c"),
        ),
        ingress(
            "all",
            rule("a.test", path("/all", "next")),
            annotations=canary(canary_by_header="X-Canary", canary_by_cookie="c", canary_weight="100"),
        ),
        ingress("odd", rule("o.test", path("/below"), path("/lookahead"), path("/bad"), path("/empty"), path("/gone"))),
        ingress(
            "below", rule("o.test", path("/below", "next")), annotations=canary(canary_weight="-5", canary_by_header="")
        ),
        ingress(
            "lookahead",
            rule("o.test", path("/lookahead", "next")),
            annotations=canary(canary_by_header="X-Canary", canary_by_header_pattern="(?=a)", canary_by_cookie="c"),
        ),
        ingress(
            "bad",
            rule("o.test", path("/bad", "next")),
            annotations=canary(canary_by_header=":path", canary_weight="20%", canary_by_cookie="c"),
        ),
        ingress("empty", rule("o.test", path("/gone", "gone")), annotations=canary(canary_weight="100")),
        ingress("lonely", rule("l.test", path("/", "next")), annotations=canary(canary_weight="100")),
        ingress("exact", rule("a.test", exact("/all", "next")), annotations=canary(canary_weight="100")),
        ingress("deeper", rule("a.test", path("/all/deep", "next")), annotations=canary(canary_weight="100")),
    ),
    services("web", "next"),
    (
        http("a.test", "/word", "web"),
        http("a.test", "/word/below", "next", X_Canary="always"),
        http("a.test", "/word", "web", "the case of the word", X_Canary="Always"),
        http("a.test", "/word", "web", X_Canary="never"),
        http("a.test", "/value", "next", X_Canary="blue:1"),
        http("a.test", "/value", "web", "a value hides the word", X_Canary="always"),
        http("a.test", "/pattern", "next", "underscores are hyphens, as in nginx", X_Canary="the-qa7-one"),
        http("a.test", "/pattern", "web", X_Canary="QA7"),
        http("a.test", "/pattern", "web", X_Canary="always"),
        http("a.test", "/cookie", "next", Cookie="a=b; c=always; d"),
        http("a.test", "/cookie", "web", Cookie="c=never"),
        http("a.test", "/cookie", "web", Cookie="C=always"),
        http("a.test", "/cookie", "next", "the first of two cookies", Cookie="c=always; c=never"),
        http("a.test", "/cookie", "web", "the header precedes the cookie", X_Canary="never", Cookie="c=always"),
        http("a.test", "/cookie", "next", "other values decide nothing", X_Canary="x", Cookie="c=always"),
        http("a.test", "/all", "next"),
        http("a.test", "/all/deep", "next", "of the canary that has a primary"),
        http("a.test", "/all", "web", X_Canary="never"),
        http("a.test", "/all", "web", Cookie="c=never"),
        http("a.test", "/all", "next", X_Canary="always", Cookie="c=never"),
        http("a.test", "/other", NOT_FOUND, X_Canary="always"),
        http("o.test", "/below", "web"),
        http("o.test", "/lookahead", "web", "a pattern that RE2 hasn't", X_Canary="always"),
        http("o.test", "/lookahead", "web", "which keeps away from the cookie", X_Canary="a", Cookie="c=always"),
        http("o.test", "/lookahead", "next", Cookie="c=always"),
        http("o.test", "/bad", "web"),
        http("o.test", "/bad", "next", Cookie="c=always"),
        http("o.test", "/gone", "web", "the Service of the canary doesn't exist"),
        http("l.test", "/", NOT_FOUND, "a canary without a primary"),
    ),
)

CANARIES_AND_PROTECTION = Table(
    "canaries and protection",
    (
        ingress("closed", rule("c.test", path("/")), annotations=annotated(auth_url="auth.test")),
        ingress("for-closed", rule("c.test", path("/", "next")), annotations=canary(canary_weight="100")),
        ingress("moved", rule("m.test", path("/")), annotations=annotated(permanent_redirect="https://new.test")),
        ingress("for-moved", rule("m.test", path("/", "next")), annotations=canary(canary_weight="100")),
        ingress("open", rule("o.test", path("/"))),
        ingress(
            "guarded",
            rule("o.test", path("/", "next")),
            default="next",
            annotations=canary(canary_by_header="X-Canary", auth_tls_secret="default/ca", permanent_redirect="/x"),
        ),
        ingress("theirs", rule("t.test", path("/")), ns="team"),
        ingress("foreign", rule("t.test", path("/", "next")), annotations=canary(canary_weight="100")),
        ingress("second", rule("o.test", path("/", "third")), annotations=canary(canary_weight="100")),
    ),
    (*services("web", "next", "third"),),
    (
        http("c.test", "/", UNAVAILABLE, "the protection of the primary holds for its canary"),
        http("c.test", "/", UNAVAILABLE, X_Canary="always"),
        http("m.test", "/", 301),
        http("o.test", "/", "web"),
        http("o.test", "/", "web", "a canary that would be without its protection", X_Canary="always"),
        http("t.test", "/", UNAVAILABLE, "a canary of another namespace: the missing Service of the primary counts"),
        http("other.test", "/", NOT_FOUND, "the default backend of a canary isn't one"),
    ),
)

UPSTREAMS = Table(
    "upstreams",
    (
        ingress("plain", rule("a.test", path("/"))),
        ingress("ewma", rule("a.test", path("/ewma")), annotations=annotated(load_balance="ewma")),
        ingress("hash", rule("a.test", path("/hash")), annotations=annotated(upstream_hash_by="$http_x_user")),
        ingress("quick", rule("a.test", path("/quick")), annotations=annotated(proxy_connect_timeout="1")),
        ingress("long", rule("a.test", path("/long")), annotations=annotated(proxy_connect_timeout="2147483647")),
        ingress("bad", rule("a.test", path("/bad")), annotations=annotated(backend_protocol="HTTP2")),
        ingress("fcgi", rule("a.test", path("/fcgi")), annotations=annotated(backend_protocol="FCGI")),
        ingress("missing", rule("a.test", path("/missing", "no")), annotations=annotated(load_balance="ewma")),
        ingress("headless", rule("*.w.test", path("/")), default="web", annotations=annotated(service_upstream="true")),
    ),
    services("web"),
    (
        http("a.test", "/", "web"),
        http("a.test", "/ewma", "web", "another cluster of the Service"),
        http("a.test", "/hash", "web"),
        http("a.test", "/quick", "web"),
        http("a.test", "/long", "web"),
        http("a.test", "/bad", "web", "a bad protocol counts as absent"),
        http("a.test", "/fcgi", UNAVAILABLE, "Envoy speaks no FastCGI"),
        http("a.test", "/missing", UNAVAILABLE),
        http("b.w.test", "/", "web", "a Service without an address of its own has endpoints"),
        http("c.test", "/", "web", "the default backend of an Ingress with annotations"),
    ),
)

NAMED_BACKENDS = Table(
    "named-backends",
    (
        ingress(
            "pages",
            rule("a.test", path("/", "web"), path("/gone", "gone"), path("/port", "web:81")),
            annotations=annotated(default_backend="pages", custom_http_errors="404"),
        ),
        ingress("none", rule("a.test", path("/none", "gone")), annotations=annotated(default_backend="missing")),
        ingress("canary", rule("a.test", path("/gone", "web")), annotations=canary(canary_by_header="X-Canary")),
        ingress(
            "mirror",
            rule("a.test", path("/mirror", "web")),
            annotations=annotated(mirror_target="http://pages.default.svc.cluster.local", proxy_cookie_path="/inner /"),
        ),
        ingress(
            "moved",
            rule("a.test", path("/moved", "gone")),
            annotations=annotated(
                permanent_redirect="http://x.test",
                default_backend="pages",
                proxy_redirect_from="http://x.test",
                proxy_redirect_to="http://y.test",
            ),
        ),
        ingress(
            "wild",
            rule("*.w.test", path("/", "web"), path("/gone", "gone")),
            annotations=annotated(default_backend="pages"),
        ),
    ),
    services("web", "pages"),
    (
        http("a.test", "/", "web"),
        http("a.test", "/gone/x", "pages", "the default backend stands in for a Service that doesn't exist"),
        http("a.test", "/gone/x", "web", "a canary of such a path gets its requests", X_Canary="always"),
        http("a.test", "/port", "pages", "and for a port that doesn't exist"),
        http("a.test", "/none", UNAVAILABLE, "a default backend that doesn't exist is none"),
        http("a.test", "/mirror", "web", "copies change no answer"),
        http("a.test", "/moved", 301, "a redirect needs no backend"),
        http("b.w.test", "/", "web"),
        http("b.w.test", "/gone", "pages"),
        http("a.b.w.test", "/gone", NOT_FOUND),
        http("other.test", "/gone", NOT_FOUND),
    ),
)
