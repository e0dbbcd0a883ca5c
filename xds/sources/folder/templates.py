"""Templates that were not rendered: of Helm, Jinja and envsubst, in text that is no YAML, and in strings of objects.

Sources: https://helm.sh/docs/chart_template_guide/, https://jinja.palletsprojects.com/en/stable/templates/ and
https://www.gnu.org/software/gettext/manual/html_node/envsubst-Invocation.html
"""

import re
from dataclasses import dataclass
from typing import Final

import msgspec

from xds.kube.decode import NOT_AN_OBJECT
from xds.kube.objects import Ingress
from xds.problems.problem import Problem
from xds.problems.reasons import Reason


@dataclass(frozen=True, slots=True)
class Template:
    """A part of a template.

    Attributes:
        sign: The look of such a part, for messages.
        tool: The program with such templates.
        command: Renders the template.
        line: From the start of the text, from 1; 1 for a string of an object.
    """

    sign: str
    tool: str
    command: str
    line: int = 1

    @property
    def remedy(self) -> str:
        return f"Render the template first: {self.command} | xds lint -"


_HELM: Final = ("{{ … }}", "Helm", "helm template CHART")
_JINJA: Final = ("{% … %}", "Jinja", "jinja2 FILE")
_ENVSUBST: Final = ("${…}", "envsubst", "envsubst < FILE")

_BRACES: Final = re.compile(r"\{\{.*?\}\}|\{\{-?\s*(?:/\*|\.|\$|if|else|end|range|with|define|include|template)")
_PERCENT: Final = re.compile(r"\{%.*?%\}")
_VARIABLE: Final = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
_ALONE: Final = re.compile(r"^\s*(?:- )?\{[{%]")
"""A line that begins with a part of a template, and can be no YAML."""

_DATA: Final = frozenset({"data", "stringData", "binaryData"})
"""Fields with texts for other programs, such as templates of alerts."""


def template_in_text(raw: bytes, failed: int) -> Template | None:
    """The template that explains why a text is no YAML.

    Args:
        raw: The text.
        failed: The line where the parser failed, from 1. A part of a template on another line counts only if it begins
            the line: texts for other programs, such as those of an alert, may stand in a manifest.
    """
    for number, line in enumerate(raw.decode(errors="replace").split("\n"), 1):
        if "{" in line and (number == failed or _ALONE.match(line)) and (found := _in_string(line)):
            return Template(*found, number)
    return None


def template_in_value(value: object) -> Template | None:
    """The first part of a template in the strings of a document, other than the data of a ConfigMap or Secret."""
    pending = [value]
    while pending:
        each = pending.pop()
        if isinstance(each, dict):
            pending += [part for key, part in each.items() if key not in _DATA]
            pending += each
        elif isinstance(each, list):
            pending += each
        elif isinstance(each, str) and "{" in each and (found := _in_string(each)):
            return Template(*found)
    return None


def template_in_ingress(ingress: Ingress) -> Template | None:
    """The first part of a template in a host, path or name of an Ingress, where no Ingress has one."""
    return template_in_value(msgspec.to_builtins(ingress.spec))


def unrendered(template: Template, fault: str = "") -> Problem:
    """The problem with a template. The source sets its place.

    Args:
        template: The part of the template.
        fault: Why the parser failed; empty: the text is YAML.
    """
    words = f"is not YAML ({fault.partition(' (')[0]}), and" if fault else "is YAML, but"
    message = f"The document {words} has {template.sign}: a template of {template.tool} that is not rendered."
    return Problem(NOT_AN_OBJECT, Reason.UNRENDERED_TEMPLATE, message, template.remedy)


def _in_string(text: str) -> tuple[str, str, str] | None:
    if _PERCENT.search(text):
        return _JINJA
    if _BRACES.search(text):
        return _HELM
    return _ENVSUBST if _VARIABLE.search(text) else None
