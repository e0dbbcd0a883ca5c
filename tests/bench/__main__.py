"""`make bench`: prints the figures that the documents quote, and writes them to bench.json.

Each is measured on this machine in this run; figures of different runs don't compare.
"""

import asyncio
import json
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench import cluster, endpoint_latency, thousand
from tests.support.cluster.assets import missing

BENCHMARKS = (endpoint_latency, thousand, cluster)


def main() -> None:
    console = Console(soft_wrap=True)
    figures = {}
    for benchmark in BENCHMARKS:
        if benchmark is cluster and (reason := missing()):
            console.print(f"cluster: skipped: {reason}")
            continue
        found = asyncio.run(benchmark.measure())
        figures[benchmark.__name__.rpartition(".")[2]] = found
        table = Table("", "", title=(benchmark.__doc__ or "").splitlines()[0], title_justify="left", show_header=False)
        for name, value in found.items():
            table.add_row(name, f"{value:,.1f}" if isinstance(value, float) else f"{value:,}")
        console.print(table)
    Path("bench.json").write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
