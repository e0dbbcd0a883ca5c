"""An ADS client that rejects everything: each response is answered by a NACK, as long as the stream is open."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any, Final

import grpc

from tests.support.ads_client import ANY_CODE, CDS, EDS, LDS, RDS, VHDS
from xds.envoyapi import codec
from xds.envoyapi.messages import (
    DeltaDiscoveryRequest,
    DeltaDiscoveryResponse,
    DiscoveryRequest,
    DiscoveryResponse,
    Node,
    Status,
)
from xds.protocol.messages import Variant
from xds.server.ads import SERVICE

ENVOY: Final = (1, 40)
"""The build that the client claims by default: the one of the Envoys beside it."""

_SUBSCRIBED: Final = {Variant.DELTA: (CDS, EDS, LDS, RDS, VHDS), Variant.SOTW: (CDS, LDS)}

_RESPONSES: Final[dict[Variant, Any]] = {Variant.DELTA: DeltaDiscoveryResponse, Variant.SOTW: DiscoveryResponse}


class RejectingClient:
    """A stream on a connection of its own.

    Attributes:
        nacks: Number of NACKs sent so far.
    """

    def __init__(self, address: str, node: str, variant: Variant, version: tuple[int, int], message: str) -> None:
        self.nacks = 0
        self._variant = variant
        self._message = message
        number = ".".join(map(str, version))
        self._node: Node | None = Node(
            id=node, cluster="fleet", user_agent_name="envoy", user_agent_version=f"{number}.0"
        )
        self._channel: Any = grpc.aio.insecure_channel(address, options=[("grpc.use_local_subchannel_pool", 1)])

    async def run(self) -> None:
        method = "DeltaAggregatedResources" if self._variant is Variant.DELTA else "StreamAggregatedResources"
        call = self._channel.stream_stream(f"/{SERVICE}/{method}")()
        for type_ in _SUBSCRIBED[self._variant]:
            await call.write(self._request(type_, subscribe=("*",)))
        while isinstance(data := await call.read(), bytes):
            response: Any = codec.decode(_RESPONSES[self._variant], data)
            await call.write(self._request(response.type_url, nonce=response.nonce, error=self._message))
            self.nacks += 1

    async def close(self) -> None:
        await self._channel.close()

    def _request(self, type_url: str, *, subscribe: tuple[str, ...] = (), nonce: str = "", error: str = "") -> bytes:
        node, self._node = self._node, None
        detail = Status(code=ANY_CODE, message=error) if error else None
        if self._variant is Variant.SOTW:
            return codec.encode(
                DiscoveryRequest(node=node, type_url=str(type_url), response_nonce=nonce, error_detail=detail)
            )
        return codec.encode(
            DeltaDiscoveryRequest(
                node=node,
                type_url=str(type_url),
                resource_names_subscribe=list(subscribe),
                response_nonce=nonce,
                error_detail=detail,
            )
        )


@contextlib.asynccontextmanager
async def rejecting_client(
    address: str,
    node: str = "hostile",
    *,
    variant: Variant = Variant.DELTA,
    version: tuple[int, int] = ENVOY,
    message: str = "no",
) -> AsyncIterator[RejectingClient]:
    """A client that rejects everything, until the block ends."""
    client = RejectingClient(address, node, variant, version, message)
    running = asyncio.create_task(client.run())
    try:
        yield client
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await client.close()
