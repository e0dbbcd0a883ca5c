"""Questions to the overview: filters, orders and pages of summaries."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final

from xds.explain.ingress import Acceptance
from xds.explain.overview import OURS, IngressSummary, OverviewCounts


class Order(Enum):
    NAME = "name"
    WORST = "worst"
    """Not served, partly accepted, without endpoints, by problems: the Ingress with most to do first."""
    NEWEST = "newest"


@dataclass(frozen=True, slots=True)
class Query:
    """A choice of Ingresses. Empty fields choose all.

    Attributes:
        namespace: Exact.
        host: Of a rule, a TLS entry, or a further name, in any case.
        acceptances: Empty: all of ours.
        text: Words, in any case, each of which has to be a part of `IngressSummary.words`.
        without_endpoints: Only Ingresses with a part that answers 503, as no endpoint is ready.
        with_problems: Only Ingresses with a problem.
    """

    namespace: str = ""
    host: str = ""
    acceptances: frozenset[Acceptance] = frozenset()
    text: str = ""
    without_endpoints: bool = False
    with_problems: bool = False
    order: Order = Order.NAME


@dataclass(frozen=True, slots=True)
class Page:
    """A part of the chosen Ingresses.

    Attributes:
        total: Number of chosen Ingresses, on all pages.
        counts: Numbers of the Ingresses that pass every filter but `acceptances`.
    """

    summaries: tuple[IngressSummary, ...]
    total: int
    counts: OverviewCounts


def select(summaries: Iterable[IngressSummary], query: Query, start: int, size: int) -> Page:
    """A page of the chosen Ingresses. Looks at each summary, and may run in any thread."""
    namespace, host, words = query.namespace, query.host.lower(), query.text.lower().split()
    found = [
        each
        for each in summaries
        if (not namespace or each.key.namespace == namespace)
        and (not host or host in each.hosts)
        and all(word in each.words for word in words)
        and (not query.without_endpoints or each.without_endpoints)
        and (not query.with_problems or each.errors or each.warnings)
    ]
    acceptances = Counter(each.acceptance for each in found)
    counts = OverviewCounts(
        {each: acceptances[each] for each in Acceptance}, sum(bool(each.without_endpoints) for each in found)
    )
    wanted = query.acceptances or OURS
    chosen = sorted((each for each in found if each.acceptance in wanted), key=_SORT_KEYS[query.order])
    return Page(tuple(chosen[start : start + size]), len(chosen), counts)


_SEVERITY: Final = {
    Acceptance.NOT_SERVED: 0,
    Acceptance.PARTLY: 1,
    Acceptance.ACCEPTED: 2,
    Acceptance.NOT_OURS: 3,
}

_OLDEST: Final = datetime.min.replace(tzinfo=UTC)


def _worst(value: IngressSummary) -> tuple[Any, ...]:
    return (
        _SEVERITY[value.acceptance],
        -value.without_endpoints,
        -value.errors,
        -value.warnings,
        value.key,
    )


def _newest(value: IngressSummary) -> tuple[Any, ...]:
    created = value.ingress.metadata.creation_timestamp or _OLDEST
    return (-created.timestamp() if created is not _OLDEST else 0.0, value.key)


_SORT_KEYS: Final = {Order.NAME: lambda each: each.key, Order.WORST: _worst, Order.NEWEST: _newest}
