"""Text from users and proxies, times and addresses of objects, fit for the page.

Autoescape keeps HTML out. What is left can still mislead the reader: marks that turn the direction of the text, blanks
without width, line breaks. `visible` shows them.
"""

import shlex
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import quote, urlencode

from google.protobuf.timestamp_pb2 import Timestamp
from markupsafe import Markup, escape

from xds.api.v1 import debug_pb2 as pb
from xds.explain.gateway_facts import KINDS

DAY_SECONDS: Final = 86_400


def visible(value: Any) -> Any:
    """A value of a template with everything escaped that has no shape, also line breaks. Markup stays as it is."""
    if isinstance(value, Markup) or value is None or isinstance(value, (int, float)):
        return value
    text = str(value)
    return text if text.isprintable() else "".join(map(_shape, text))


def multiline(value: str) -> Markup:
    """A text as `visible` shows it, but with its line breaks: for messages of proxies."""
    return Markup("\n").join(escape(visible(line)) for line in value.split("\n"))


def verbatim(value: str) -> Markup:
    """The value of a form's field, which is sent again as it was."""
    return escape(value)


def _shape(sign: str) -> str:
    return sign if sign.isprintable() else repr(sign)[1:-1]


def name_of(reference: pb.ObjectReference) -> str:
    """`NAMESPACE/NAME`, or the name of an object without a namespace."""
    return f"{reference.namespace}/{reference.name}" if reference.namespace else reference.name


def object_text(reference: pb.ObjectReference) -> str:
    return f"{reference.kind} {name_of(reference)}"


def object_link(reference: pb.ObjectReference) -> str:
    """The page about an object: of an Ingress or an object of the Gateway API its own; of a Service or Secret the
    Ingresses with the name; of others their problems.
    """
    if reference.kind in KINDS:
        names = (reference.kind, reference.namespace, reference.name)
        return "/gateways/" + "/".join(quote(each, safe="") for each in names if each)
    if reference.kind == "Ingress" and reference.namespace:
        return f"/ingresses/{quote(reference.namespace, safe='')}/{quote(reference.name, safe='')}"
    if reference.kind in ("Service", "Secret"):
        return link("/ingresses", q=reference.name, namespace=reference.namespace)
    return link("/problems", object=object_text(reference))


def why_link(reference: pb.ObjectReference) -> str:
    """The page about a ConfigMap of ports, or about the uses of a Service."""
    return "/ports/" + "/".join(quote(each, safe="") for each in (reference.kind, reference.namespace, reference.name))


def explain_url(port: str) -> str:
    """The question about a port of layer 4, such as `tcp/9000`."""
    transport, _, number = port.partition("/")
    return f"{transport}://:{number}"


def link(path: str, **parameters: Any) -> str:
    """A path with the parameters that have a value."""
    given = {name: value for name, value in parameters.items() if value not in ("", None, 0)}
    return f"{path}?{urlencode(given)}" if given else path


def iso(timestamp: Timestamp) -> str:
    return f"{clock(timestamp).replace(' ', 'T')}Z"


def clock(timestamp: Timestamp) -> str:
    """The time in UTC, to the second. The year 9999 is the last."""
    seconds = min(max(timestamp.seconds, 0), 253_402_300_799)
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(seconds))


def relative(timestamp: Timestamp, now: float) -> str:
    """The distance from now: `3 min ago`, `in 12 d`."""
    seconds = int(now - timestamp.seconds)
    words = _duration(abs(seconds))
    return f"{words} ago" if seconds >= 0 else f"in {words}"


def _duration(seconds: int) -> str:
    if seconds < 120:
        return f"{seconds} s"
    if seconds < 7200:
        return f"{seconds // 60} min"
    return f"{seconds // 3600} h" if seconds < 2 * DAY_SECONDS else f"{seconds // DAY_SECONDS} d"


def days_left(timestamp: Timestamp, now: float) -> int:
    """Whole days until a time; negative after it."""
    return int((timestamp.seconds - now) // DAY_SECONDS)


def plural(count: int, one: str, many: str = "") -> str:
    """`1 proxy`, `3 proxies`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


FILTERS: Final[dict[str, Callable[..., Any]]] = {
    "quoted": shlex.quote,
    "multiline": multiline,
    "verbatim": verbatim,
    "name_of": name_of,
    "object_text": object_text,
    "object_link": object_link,
    "why_link": why_link,
    "iso": iso,
    "clock": clock,
    "plural": plural,
}
