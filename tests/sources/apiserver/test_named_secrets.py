"""The content of Secrets that is kept: all of it for annotations, the keys of TLS for TLS entries.

Excludes: look-ups, lists and events in any order (test_named_objects.py).
"""

from tests.support.objects import ingress, key, path, rule, secret, tls
from tests.support.route_table_annotations import annotated
from xds.kube.change import Applied, Change, Deleted
from xds.kube.objects import Ingress, Metadata, Secret, SecretData
from xds.kube.wire import Found, Page
from xds.sources.apiserver.named_secrets import NamedSecrets, named_secrets
from xds.translate.nginx.annotated_objects import annotated_objects

A = key("a")
WHOLE = Secret(Metadata("a", A.namespace), SecretData(b"crt", b"key", others={"auth": b"u:x"}))
SHORT = Secret(Metadata("a", A.namespace), SecretData(b"crt", b"key"))
BY_TLS = Applied(ingress("tls", rule("a.test", path("/")), tls=[tls("a.test", secret="a")]))
BY_ANNOTATION = Applied(
    ingress("basic", rule("b.test", path("/")), annotations=annotated(auth_type="basic", auth_secret="a"))
)


def tracker(*naming: Applied) -> NamedSecrets:
    """A tracker of the Secret `a`, after a list."""
    found = named_secrets(annotated=annotated_objects(allow_cross_namespace=False))
    found.expect(naming)
    found.release(naming)
    found.begin_list()
    found.apply(Found(A, "5", WHOLE))
    found.end_list("5")
    return found


def held(found: NamedSecrets) -> list[Secret]:
    return [each for each in found.objects() if isinstance(each, Secret)]


def test_a_secret_of_a_tls_entry_is_kept_without_its_other_keys() -> None:
    found = tracker(BY_TLS)
    assert held(found) == [SHORT]
    assert found.apply(Found(A, "6", WHOLE)) == []
    assert found.expect([BY_TLS]) == []


def test_a_secret_that_an_annotation_names_is_kept_whole() -> None:
    found = tracker(BY_ANNOTATION)
    assert held(found) == [WHOLE]
    assert held(tracker()) == []


def test_a_secret_that_an_annotation_begins_to_name_is_looked_up_again() -> None:
    found = tracker(BY_TLS)
    assert found.expect([BY_ANNOTATION]) == [A]
    found.begin_look_up([A])
    assert A in found.unknown
    assert found.end_look_up(A, Page((Found(A, "5", WHOLE),), "7", "")) == [Applied(WHOLE)]
    assert A not in found.unknown
    assert found.release([BY_ANNOTATION]) == []
    assert found.expect([BY_ANNOTATION]) == []
    assert held(found) == [WHOLE]


def test_an_annotation_that_a_list_meets_under_way_gets_the_whole() -> None:
    found = tracker(BY_TLS)
    found.begin_list()
    found.apply(Found(A, "5", WHOLE))
    assert found.expect([BY_ANNOTATION]) == [A]
    found.begin_look_up([A])
    assert found.end_list("7") == [Applied(WHOLE)]
    assert found.end_look_up(A, Page((Found(A, "5", WHOLE),), "7", "")) == []


def test_the_other_keys_go_with_the_last_annotation() -> None:
    found = tracker(BY_TLS, BY_ANNOTATION)
    gone: list[Change] = [Deleted(Ingress, BY_ANNOTATION.object.key)]
    found.expect(gone)
    assert found.release(gone) == [Applied(SHORT)]
    assert held(found) == [SHORT]
    last: list[Change] = [Deleted(Ingress, BY_TLS.object.key)]
    found.expect(last)
    assert found.release(last) == [Deleted(Secret, A)]


def test_a_certificate_is_no_other_key() -> None:
    given = secret("cert")
    assert given.data
    assert given.data.without_others is given.data
