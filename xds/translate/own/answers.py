"""answer: a fixed answer of the path instead of its backend."""

import re
from typing import Final

from xds.traffic.actions import DirectAnswer
from xds.translate.nginx.annotation import OWN_PREFIX, Annotation, Grammar, InvalidValueError
from xds.translate.nginx.grammars import always
from xds.translate.nginx.named_objects import Unavailable
from xds.translate.nginx.reader import AnnotationReader

MAX_TEXT_BYTES: Final = 4096
"""Envoy's limit for the body of a direct response. Source:
https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/route/v3/route.proto#envoy-v3-api-field-config-route-v3-routeconfiguration-max-direct-response-body-size-bytes
"""

_ANSWER: Final = re.compile(r"([2-5][0-9]{2})(?:\s+(.*))?", re.DOTALL)


def _answer(text: str) -> DirectAnswer:
    matched = _ANSWER.fullmatch(text.strip())
    if matched is None:
        raise InvalidValueError
    if len((matched[2] or "").encode()) > MAX_TEXT_BYTES:
        raise InvalidValueError(f"the text has more than {MAX_TEXT_BYTES} bytes")
    return DirectAnswer(int(matched[1]), matched[2] or "")


ANSWER: Final = Annotation(
    "answer",
    "answers",
    Grammar("a status from 200 to 599, and a text if wanted", _answer),
    prefix=OWN_PREFIX,
    # The usual use is a 403 or 404: a bad value must not open the path.
    protects=always,
)
ANNOTATIONS: Final = (ANSWER,)


def read(reader: AnnotationReader) -> DirectAnswer | Unavailable | None:
    """The answer; None where the paths forward, Unavailable for a bad value, with which no path may forward."""
    if reader.text(ANSWER) is None:
        return None
    return reader.get(ANSWER) or Unavailable(ANSWER)
