"""Tuning of Python's garbage collector, whose search for cycles stops everything else.

Kubernetes objects, traffic and resources have no cycles, and are most of the heap: a full collection with 5,000
Ingresses takes 0.2 s. So long-lived objects are frozen. A frozen object is still freed when its last reference goes.
https://docs.python.org/3/library/gc.html#gc.freeze
"""

import gc
from typing import Final

LOADING_THRESHOLD: Final = 500_000
"""Objects allocated before a collection while the source is read for the first time. Loading can last for days, if the
source has nothing to read.
"""

SERVING_THRESHOLDS: Final = (20_000, 10, 35)
"""Thresholds of the three generations afterwards. A change pushed to a thousand proxies allocates some ten thousand
objects, and most are freed before a collection. A full collection comes after some seven million objects, so hardly
ever during a change.
"""

ROUTING_THRESHOLDS: Final = (700, 1, 5000)
"""Thresholds during routing work, which allocates long-lived objects: many small collections. One large collection,
with 5,000 Ingresses, takes 60 ms.
"""


def begin_loading() -> None:
    gc.set_threshold(LOADING_THRESHOLD)


def end_loading() -> None:
    set_threshold(routing=False)
    gc.freeze()


def set_threshold(*, routing: bool) -> None:
    gc.set_threshold(*(ROUTING_THRESHOLDS if routing else SERVING_THRESHOLDS))


def freeze() -> None:
    """Exclude all current objects from later collections. Garbage cycles among them would stay for ever, so the young
    generations are collected first.
    """
    gc.collect(1)
    gc.freeze()
