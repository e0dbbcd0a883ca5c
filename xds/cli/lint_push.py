"""`xds lint --push`: sends the figures of a run to a Pushgateway, as the run ends before a scrape.

https://github.com/prometheus/pushgateway
"""

import http.client
import re
import time
import urllib.error
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import SplitResult, unquote, urlsplit

import click
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import basic_auth_handler, default_handler, push_to_gateway
from prometheus_client.registry import Collector

from xds.cli.text import printable
from xds.problems.reasons import Reason

JOB: Final = "xds-lint"

TIMEOUT_SECONDS: Final = 10.0
"""Time for the connection, and for each part of the answer: the wait of a pipeline for a gateway that hangs."""

MAX_ANSWER_CHARACTERS: Final = 200
"""Most characters shown of a gateway's error, whose first line names the cause."""

OWN_LABELS: Final = {"job", "instance", "reason", "level"}
"""Grouping labels replace labels of the same name in the pushed series."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """The address of a Pushgateway.

    Attributes:
        url: Without user and password, so that no message can show them.
        handler: Sends a request, as the functions of prometheus_client ask for.
    """

    url: str
    handler: Callable[..., Callable[[], None]]

    def __str__(self) -> str:
        return self.url


class GatewayUrl(click.ParamType):  # type: ignore[type-arg]  # not generic in every version
    name = "URL"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Gateway:
        if isinstance(value, Gateway):
            return value
        text = str(value)
        try:
            parts = urlsplit(text if "://" in text else f"http://{text}")
            usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or not text.isascii() or not text.isprintable() or " " in text:
            self.fail("the value is not a URL such as http://pushgateway:9091", param, ctx)
        if parts.query or parts.fragment or "/metrics" in parts.path:
            self.fail("the URL ends before /metrics, and has no query; labels come by --push-label", param, ctx)
        return Gateway(f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path.rstrip('/')}", _handler(parts))


class GroupingLabel(click.ParamType):  # type: ignore[type-arg]
    name = "NAME=VALUE"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        label, equals, text = str(value).partition("=")
        if not equals or not text or not re.fullmatch(r"(?!__)[a-zA-Z_][a-zA-Z0-9_]*", label):
            self.fail(f"{value!r} is not NAME=VALUE, such as repository=shop", param, ctx)
        if label in OWN_LABELS:
            self.fail(f"the label {label!r} is set by xds; choose another name", param, ctx)
        return label, text


def push(gateway: Gateway, labels: Mapping[str, str], found: Iterable[Reason]) -> str:
    """Replace the group of these labels by the figures of this run. Returns the cause of a failure, else ""."""
    registry = CollectorRegistry()
    registry.register(_Figures(Counter(found), time.time()))
    try:
        push_to_gateway(
            gateway.url,
            job=JOB,
            registry=registry,
            grouping_key=dict(labels),
            timeout=TIMEOUT_SECONDS,
            handler=gateway.handler,
        )
    except urllib.error.HTTPError as error:
        return _answer(error)
    except TimeoutError:
        return f"no answer within {TIMEOUT_SECONDS:.0f} s"
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        if isinstance(reason, TimeoutError):
            return f"no connection within {TIMEOUT_SECONDS:.0f} s"
        text = getattr(reason, "strerror", None) or str(reason)
        return " ".join(text.split()) or type(reason).__name__
    return ""


class _Figures(Collector):
    """The series of a run. Each reason exists from the first run on: a series that appears with 1 is no rise."""

    def __init__(self, counts: Mapping[Reason, int], now: float) -> None:
        self._counts = counts
        self._now = now

    def collect(self) -> Iterator[GaugeMetricFamily]:
        problems = GaugeMetricFamily(
            "xds_ingress_lint_problems", "Problems that the last run of xds lint found.", labels=["reason", "level"]
        )
        for reason in Reason:
            problems.add_metric([reason.value, reason.level.value], self._counts.get(reason, 0))
        yield problems
        yield GaugeMetricFamily(
            "xds_ingress_lint_last_run_timestamp_seconds",
            "End of the last run of xds lint that could read its input, as a Unix time.",
            value=self._now,
        )


def _handler(parts: SplitResult) -> Callable[..., Callable[[], None]]:
    if parts.username is None:
        return default_handler
    return partial(basic_auth_handler, username=unquote(parts.username), password=unquote(parts.password or ""))


def _answer(error: urllib.error.HTTPError) -> str:
    """Status and first line of an answer."""
    with error:
        try:
            lines = error.read(4096).decode(errors="replace").split("\n")
        except (OSError, http.client.HTTPException):
            lines = []
    text = next((line.strip() for line in lines if line.strip()), "")
    words = f": {printable(text[:MAX_ANSWER_CHARACTERS])}" if text else ""
    return f"it answered {error.code} {printable(str(error.reason))}".rstrip() + words
