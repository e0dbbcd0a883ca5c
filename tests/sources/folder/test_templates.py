"""Templates that were not rendered, among other documents, and texts that only look like templates."""

import pytest

from xds.problems.reasons import Reason
from xds.sources.folder.manifests import read_file

SERVICE = "kind: Service\napiVersion: v1\nmetadata: {name: web}\n"


def reasons(text: str, name: str = "f.yaml") -> list[Reason]:
    return [each.reason for each in read_file(name, text.encode()).problems]


@pytest.mark.parametrize(
    ("text", "tool"),
    [
        ("metadata:\n  name: {{ .Values.name }}\n", "Helm"),
        ("{{- if .Values.ingress.enabled }}\nkind: Service\n{{- end }}\n", "Helm"),
        ("kind: Service\n{{- range $i := until 3 }}\nx: 1\n{{- end }}\n", "Helm"),
        ('kind: Service\napiVersion: v1\nmetadata: {name: "{{ .Release.Name }}-web"}\n', "Helm"),
        (
            'kind: Service\napiVersion: v1\nmetadata: {name: web}\nspec: {ports: [{port: "{{ .Values.port }}"}]}\n',
            "Helm",
        ),
        ("{% if x %}\nkind: Service\n{% endif %}\n", "Jinja"),
        ("kind: Service\napiVersion: v1\nmetadata: {name: ${NAME}}\n", "envsubst"),
        ("kind: Service\napiVersion: v1\nmetadata: {name: web}\nspec: {ports: [{port: '${PORT}'}]}\n", "envsubst"),
    ],
)
def test_a_template_is_named_and_the_other_documents_are_read(text: str, tool: str) -> None:
    file = read_file("f.yaml", f"{SERVICE}---\n{text}---\n{SERVICE.replace('web', 'api')}".encode())
    (problem,) = file.problems
    assert problem.reason is Reason.UNRENDERED_TEMPLATE
    assert f"a template of {tool}" in problem.message
    assert problem.remedy.endswith("| xds lint -")
    assert [each.metadata.name for _, each in file.objects] == ["web", "api"]


@pytest.mark.parametrize(
    "data",
    [
        "summary: '{{ $labels.pod }} is down'",
        'alert.tmpl: |\n    {{ define "x" }}\n    {{ .Value }}\n    {{ end }}',
        "nginx.conf: |\n    proxy_pass ${BACKEND};",
    ],
)
def test_a_config_map_may_hold_a_template_for_another_program(data: str) -> None:
    assert reasons(f"kind: ConfigMap\napiVersion: v1\nmetadata: {{name: rules}}\ndata:\n  {data}\n") == []
    wrong = f"kind: ConfigMap\napiVersion: v1\nmetadata: {{name: UP}}\ndata:\n  {data}\n"
    assert reasons(wrong) == [Reason.INVALID_NAME]


def test_a_mistake_beside_a_text_in_braces_stays_a_mistake() -> None:
    text = "kind: ConfigMap\ndata: {x: '{{ $labels.pod }}'}\nmetadata: a: b\n"
    assert reasons(text) == [Reason.MALFORMED_FILE]


def test_a_broken_json_file_is_no_template() -> None:
    assert reasons('{"a": "}', name="f.json") == [Reason.MALFORMED_FILE]
