"""Templates of the page. Every value is escaped twice: for HTML by autoescape, and for the eye by `text.visible`."""

import functools
import time
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from xds.api.v1 import debug_pb2 as pb
from xds.server.debug.brief import short_type
from xds.ui import text, words
from xds.ui.page import Page

_FOLDER: Final = Path(__file__).parent

SECTIONS: Final = (
    ("Overview", "/"),
    ("Ingresses", "/ingresses"),
    ("Gateways", "/gateways"),
    ("Ports", "/ports"),
    ("Explain", "/explain"),
    ("Problems", "/problems"),
    ("Proxies", "/proxies"),
    ("Revisions", "/revisions"),
    ("Certificates", "/certificates"),
    ("Replicas", "/replicas"),
)


@functools.cache
def environment(static_version: str) -> Environment:
    """Jinja, with each template read and compiled once in a process.

    Each default that matters is chosen: autoescape in every template, whatever its name, and an unknown variable is an
    error.
    """
    made = Environment(
        loader=FileSystemLoader(_FOLDER / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        auto_reload=False,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=text.visible,
    )
    made.filters.update(text.FILTERS)
    made.globals.update(
        link=text.link,
        explain_url=text.explain_url,
        words=words,
        short_type=short_type,
        pb=pb,
        sections=SECTIONS,
        static_version=static_version,
    )
    return made


def render(templates: Environment, page: Page, status: pb.GetStatusResponse, mark: str) -> str:
    """The HTML of a page. Takes milliseconds: not for the event loop."""
    now = time.time()
    variables: dict[str, Any] = {
        "title": page.title,
        "section": page.section,
        "status": status,
        "mark_of_state": mark,
        "now": now,
        "ago": lambda at: text.relative(at, now),
        "days_left": lambda at: text.days_left(at, now),
    }
    return templates.get_template(page.template).render(**variables, **page.view())
