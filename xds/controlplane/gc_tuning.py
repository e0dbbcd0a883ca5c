"""When Python looks for cycles among its objects, which stops everything else.

What is known and built has none, and is most of what there is: going through it with 5,000 Ingresses takes 0.2 s. So
it is put aside once it is there, and freed all the same when its last reference goes.
https://docs.python.org/3/library/gc.html#gc.freeze
"""

import gc
from typing import Final

LOADING: Final = 500_000
"""Objects that are made before cycles are looked for, while all is read for the first time. That may take days, if
there is nothing to read from.
"""

SERVING: Final = (20_000, 10, 35)
"""The same afterwards, among the newest; of the two older generations, how many times the one before is gone through.
A change that goes to a thousand proxies makes some ten thousand objects, and what goes by itself meanwhile isn't gone
through. The last generation is gone through after some seven million objects, then: not in the middle of a change.
"""

ROUTING: Final = (700, 1, 5000)
"""The same while routing is worked on: what it makes stays, and is gone through little by little. All together, with
5,000 Ingresses, takes 60 ms.
"""


def begin_loading() -> None:
    gc.set_threshold(LOADING)


def end_loading() -> None:
    set_threshold(routing=False)
    gc.freeze()


def set_threshold(*, routing: bool) -> None:
    gc.set_threshold(*(ROUTING if routing else SERVING))


def set_aside() -> None:
    """What there is now will not be gone through again. A cycle among it that nobody uses stays for ever, so the newest
    are searched first.
    """
    gc.collect(1)
    gc.freeze()
