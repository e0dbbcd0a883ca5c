"""A candidate for a Lease as a process of its own; the leader writes to a ConfigMap, as often as possible.

python -m tests.support.elector KUBECONFIG NAMESPACE LEASE CONFIGMAP FILE

The candidate checks its leadership all the time, and writes the time of each check that succeeds to FILE, by the
machine's clock.
"""

import asyncio
import contextlib
import signal
import sys
from pathlib import Path

from xds.kubeapi.client import ApiClient
from xds.kubeapi.interface import ApiUnavailable
from xds.kubeapi.kubeconfig import Access
from xds.problems.problem import Key
from xds.reporting.lease import Leadership, NotLeader, boot_time

OFTEN = 0.02


async def note(leadership: Leadership, file: Path) -> None:
    with file.open("a", buffering=1) as log:
        while True:
            if leadership.is_leader():
                log.write(f"{boot_time()}\n")
            await asyncio.sleep(OFTEN)


async def write(leadership: Leadership, path: str) -> None:
    while True:
        await leadership.elected()
        with contextlib.suppress(ApiUnavailable, NotLeader):
            await leadership.write("PATCH", path, {"data": {"writer": leadership.identity, "at": str(boot_time())}})
        await asyncio.sleep(OFTEN)


async def main(kubeconfig: str, namespace: str, lease: str, config_map: str, file: str) -> None:
    client = await ApiClient.create(Access(Path(kubeconfig)))
    leadership = Leadership(client, Key(namespace, lease), Path(file).stem)
    path = f"/api/v1/namespaces/{namespace}/configmaps/{config_map}"
    work = (leadership.run(), note(leadership, Path(file)), write(leadership, path))
    tasks = [asyncio.create_task(each) for each in work]
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: [task.cancel() for task in tasks])
    await asyncio.gather(*tasks, return_exceptions=True)
    await client.close()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
