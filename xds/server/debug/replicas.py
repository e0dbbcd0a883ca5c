"""The other replicas of the control plane."""

from collections.abc import Sequence
from typing import Final, Protocol

from xds.api.v1 import debug_pb2 as pb


class Peers(Protocol):
    """Asks the other replicas. A replica that doesn't answer has an error in place of an answer."""

    async def list_replicas(self) -> Sequence[pb.Replica]:
        """The other replicas, with the status of each."""
        ...

    async def list_proxies(self) -> Sequence[tuple[pb.Replica, pb.ListProxiesResponse | None]]:
        """The other replicas, with the proxies of each; None with an error."""
        ...


class _NoPeers:
    async def list_replicas(self) -> Sequence[pb.Replica]:
        return ()

    async def list_proxies(self) -> Sequence[tuple[pb.Replica, pb.ListProxiesResponse | None]]:
        return ()


NO_PEERS: Final = _NoPeers()
"""Of a server without --peers."""
