"""`python -m tests.rows [FILE[:CASE]]...`: run cases, and print each difference and the counts by verdict."""

import collections
import os
import sys
from pathlib import Path
from typing import Final

from tests.rows.case import Case
from tests.rows.run import run
from tests.rows.world import NameServer

FILES: Final = ("access", "basics", "routing", "surprises", "traffic")


def main() -> None:
    if "BACKENDS_PID" not in os.environ:
        os.execv(namespaces := str(Path(__file__).with_name("namespaces")), [namespaces, *sys.orig_argv])
    names = NameServer()
    for name in sys.argv[1:] or FILES:
        file, _, case = name.partition(":")
        found = run(file, names, frozenset({case} if case else ()))
        print(report(found), flush=True)
        print(f"{file}: {counts(found)}", flush=True)


def report(cases: list[Case]) -> str:
    lines = []
    for case in cases:
        for request, faults in zip(case.data["requests"], case.faults, strict=True):
            title = f"{case.name} ({case.verdict}), {request.get('say') or request.get('path')}"
            lines += [f"{title}: {fault}" for fault in faults]
    return "\n".join(lines)


def counts(cases: list[Case]) -> str:
    """Of requests and cases that agree, by verdict."""
    requests: collections.Counter[str] = collections.Counter()
    agreeing: collections.Counter[str] = collections.Counter()
    for case in cases:
        requests[case.verdict] += len(case.faults)
        agreeing[case.verdict] += sum(not faults for faults in case.faults)
    wholly = sum(not any(case.faults) for case in cases)
    by_verdict = ", ".join(f"{name} {agreeing[name]} of {requests[name]}" for name in sorted(requests))
    total = f"{agreeing.total()} of {requests.total()} requests"
    return f"{total} ({by_verdict}), {wholly} of {len(cases)} cases wholly"


if __name__ == "__main__":
    main()
