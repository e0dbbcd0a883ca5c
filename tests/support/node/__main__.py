"""`python -m tests.support.node --kubeconfig FILE --state FOLDER`: a node until SIGTERM. Writes FOLDER/ready."""

import argparse
import asyncio
import logging
import signal
from pathlib import Path

from tests.support.node.api import Api
from tests.support.node.kubelet import Kubelet
from tests.support.node.names import NameServer
from tests.support.node.sandbox import GATEWAY
from tests.support.node.services import Services


async def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kubeconfig", type=Path, required=True)
    parser.add_argument("--state", type=Path, required=True)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    async with Api(arguments.kubeconfig) as api:
        kubelet, services = Kubelet(api, arguments.state.resolve()), Services(api)
        await kubelet.register()
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: NameServer(services), local_addr=(GATEWAY, 53))
        ended = asyncio.Event()
        work = [asyncio.create_task(kubelet.run()), asyncio.create_task(services.run())]
        for each in work:
            each.add_done_callback(lambda _: ended.set())
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, ended.set)
        (arguments.state / "ready").touch()
        await ended.wait()
        for each in work:
            each.cancel()
        for error in await asyncio.gather(*work, return_exceptions=True):
            print("ended:", repr(error))
        await kubelet.stop()


if __name__ == "__main__":
    asyncio.run(main())
