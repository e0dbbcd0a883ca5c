"""`python -m tests.conformance TEST... [-- FLAG...]`: run single tests of the suite, with all logs in a folder.

A TEST is a name such as HTTPRouteWeight, or a regular expression; none: every test. The environment variable OUT names
the folder; without, there is a new one. FLAGs go to the suite.
"""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from tests.conformance.results import results
from tests.conformance.rig import rig, run_suite


async def main(arguments: list[str]) -> int:
    tests, flags = arguments, list[str]()
    if "--" in arguments:
        tests, flags = arguments[: arguments.index("--")], arguments[arguments.index("--") + 1 :]
    if tests:
        flags.append(f"-test.run=^TestConformance$/^({'|'.join(tests)})$")
    state = Path(os.environ.get("OUT") or tempfile.mkdtemp(prefix="conformance-"))
    print("logs:", state, flush=True)
    async with rig(state, envoys=int(os.environ.get("ENVOYS", "1"))) as cluster:
        code = await run_suite(cluster, state, *flags)
        (state / "objects.yaml").write_text(await cluster.kubectl("get", "gateways,httproutes", "-A", "-o", "yaml"))
    print(results(state / "suite.log"))
    return code


if __name__ == "__main__":
    sys.exit(asyncio.run(main(sys.argv[1:])))
