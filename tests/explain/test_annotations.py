"""The outcome of each annotation of an Ingress. Excludes: how the CLI shows them (tests/cli/test_why)."""

import pytest

from tests.explain.test_ingress import SERVED, explained
from tests.support.objects import ingress, path, rule
from tests.support.route_table_annotations import annotated, canary
from xds.explain.annotations import AnnotationOutcome, AnnotationStatus
from xds.translate.nginx.annotation import OWN_PREFIX, PREFIX


def outcomes(annotations: dict[str, str]) -> dict[str, AnnotationOutcome]:
    """By name, without ingress-nginx's prefix."""
    shop = ingress("shop", rule("a.test", path("/", "web")), annotations=annotations)
    found = explained("shop", shop, *SERVED).annotations
    return {each.name.removeprefix(PREFIX): each for each in found}


@pytest.mark.parametrize(
    ("annotations", "name", "status", "text"),
    [
        (annotated(proxy_body_size="8m"), "proxy-body-size", "in effect", "bodies: 413 for bodies of more than 8 MiB"),
        (
            annotated(enable_cors="true"),
            "enable-cors",
            "in effect",
            "CORS: answers to any origin have headers, and the proxy answers OPTIONS; CORS: scripts may send GET, PUT,",
        ),
        (
            annotated(enable_cors="true", cors_expose_headers="X-A", permanent_redirect="https://b.test"),
            "cors-expose-headers",
            "in effect",
            "CORS: scripts may read the headers X-A",
        ),
        (
            annotated(cors_max_age="1"),
            "cors-max-age",
            "not used",
            "annotation nginx.ingress.kubernetes.io/cors-max-age",
        ),
        (annotated(force_ssl_redirect="true"), "force-ssl-redirect", "in effect", "plain HTTP is redirected to HTTPS"),
        (annotated(rewrite_target="/x"), "rewrite-target", "in effect", "differs from ingress-nginx: an encoded slash"),
        (annotated(server_alias="b.test"), "server-alias", "in effect", "differs from ingress-nginx: "),
        (annotated(permanent_redirect="https://b.test"), "permanent-redirect", "in effect", "answers 301, to "),
        (
            annotated(whitelist_source_range="10.0.0.0/8"),
            "whitelist-source-range",
            "in effect",
            "access: 403 for clients of other networks than 10.0.0.0/8",
        ),
        (
            annotated(whitelist_source_range="10.0.0.0/8") | {f"{OWN_PREFIX}answer": "204"},
            "whitelist-source-range",
            "in effect",
            "access: 403 for clients of other networks",
        ),
        (
            annotated(whitelist_source_range="10.0.0.0/8", permanent_redirect="https://b.test"),
            "whitelist-source-range",
            "no difference",
            "the paths redirect",
        ),
        (annotated(denylist_source_range="10.0.0.0/8,"), "denylist-source-range", "closes", "denylist-source-range is"),
        ({f"{OWN_PREFIX}answer": "204"}, f"{OWN_PREFIX}answer", "in effect", "answers 204"),
        (annotated(proxy_connect_timeout="5"), "proxy-connect-timeout", "no difference", "the same holds without"),
        (annotated(proxy_connect_timeout=""), "proxy-connect-timeout", "no difference", "an empty value counts as"),
        (annotated(client_body_buffer_size="8k"), "client-body-buffer-size", "no difference", "Envoy streams bodies"),
        (annotated(proxy_connect_timeout="5s"), "proxy-connect-timeout", "not used", "proxy-connect-timeout is '5s'"),
        (annotated(proxy_boddy_size="8m"), "proxy-boddy-size", "not used", "annotation 'nginx.ingress.kubernetes.io/"),
        (
            annotated(limit_rate="8"),
            "limit-rate",
            "not used",
            "annotation 'nginx.ingress.kubernetes.io/limit-rate' has",
        ),
        (
            annotated(auth_snippet="deny all;"),
            "auth-snippet",
            "closes",
            "annotation 'nginx.ingress.kubernetes.io/auth-",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_annotation_has_an_outcome_in_words(annotations: dict[str, str], name: str, status: str, text: str) -> None:
    found = outcomes(annotations)[name]
    assert (found.status, found.text[: len(text)]) == (status, text)


def test_annotations_of_closed_paths_make_no_difference() -> None:
    found = outcomes(annotated(auth_snippet="deny all;", proxy_body_size="8m"))["proxy-body-size"]
    assert found.status is AnnotationStatus.NO_DIFFERENCE
    assert found.text == f"the paths answer 503 because of {PREFIX}auth-snippet"


def test_annotations_of_a_backend_make_no_difference_beside_a_redirect() -> None:
    found = outcomes(annotated(permanent_redirect="https://b.test", upstream_vhost="c.test", limit_rps="5"))
    assert {name: each.status for name, each in found.items()} == {
        "permanent-redirect": AnnotationStatus.IN_EFFECT,
        "upstream-vhost": AnnotationStatus.NO_DIFFERENCE,
        "limit-rps": AnnotationStatus.IN_EFFECT,
    }


def test_an_annotation_whose_backend_is_unusable_is_not_used() -> None:
    found = outcomes(annotated(mirror_target="https://mirror.test$request_uri"))["mirror-target"]
    assert (found.status, "not allowed" in found.text) == (AnnotationStatus.NOT_USED, True)


def test_annotations_of_a_canary_have_outcomes() -> None:
    main = ingress("main", rule("a.test", path("/", "web")), created=1)
    other = ingress(
        "other",
        rule("a.test", path("/", "idle")),
        created=2,
        annotations=canary(canary_weight="5") | annotated(app_root="/x"),
    )
    found = {
        each.name.removeprefix(PREFIX): each.status for each in explained("other", main, other, *SERVED).annotations
    }
    effective = AnnotationStatus.IN_EFFECT
    assert found == {"canary": effective, "canary-weight": effective, "app-root": AnnotationStatus.NOT_USED}


def test_annotations_of_other_tools_and_of_foreign_ingresses_have_no_outcome() -> None:
    assert outcomes({"cert-manager.io/cluster-issuer": "x"}) == {}
    foreign = ingress(
        "shop", rule("a.test", path("/", "web")), class_name="other", annotations=annotated(app_root="/x")
    )
    assert explained("shop", foreign, *SERVED).annotations == ()
