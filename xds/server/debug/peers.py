"""Questions to the other replicas of `serve --peers`: all at once, within one deadline.

A peer is asked with this replica's own certificate. The certificates of all replicas share a DNS name, that of the
Service which proxies ask. A peer has to show this name at any address.
"""

import asyncio
import socket
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, TypeVar

import grpc
from google.protobuf import json_format

from xds.address import HostPort
from xds.api.v1 import debug_pb2 as pb
from xds.api.v1 import debug_pb2_grpc
from xds.server.tls import ServerTls

PEER_SECONDS: Final = 2.0
"""Longest wait for all peers, with the look-up of their addresses."""

MAX_PEERS: Final = 32
"""Most addresses that are asked."""

MAX_ERROR_CHARACTERS: Final = 300

_OPTIONS: Final = (
    ("grpc.max_receive_message_length", 64 * 1024 * 1024),  # some 2 KB for each proxy
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),  # or an earlier connection would outlive the files of its certificate
)

_SEE_THE_POD: Final = "See the state and the log of its Pod; a NetworkPolicy may also keep replicas apart."

_Answer = TypeVar("_Answer")


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
"""The peers of a server without --peers."""


@dataclass(frozen=True, slots=True)
class _Failure:
    error: str
    remedy: str


class ReplicaPeers:
    """The other replicas. Each question asks them anew, unless the same question is under way.

    Args:
        addresses: The values of --peers. A name may stand for several replicas, this one among them.
        own_id: The id of this replica, which is left out.
        tls: Mutual TLS of --listen; None: plaintext.
    """

    def __init__(self, addresses: Sequence[HostPort], own_id: str, tls: ServerTls | None) -> None:
        self._addresses = addresses
        self._own_id = own_id
        self._tls = tls
        self._asking: dict[str, asyncio.Task[Any]] = {}

    async def list_replicas(self) -> Sequence[pb.Replica]:
        async def nothing_else(_: Any, __: float) -> None:
            pass

        return [replica for replica, _ in await self._shared("replicas", nothing_else)]

    async def list_proxies(self) -> Sequence[tuple[pb.Replica, pb.ListProxiesResponse | None]]:
        async def proxies(stub: Any, seconds: float) -> pb.ListProxiesResponse:
            response: pb.ListProxiesResponse = await stub.ListProxies(pb.ListProxiesRequest(), timeout=seconds)
            return response

        return await self._shared("proxies", proxies)

    async def _shared(
        self, name: str, question: Callable[[Any, float], Awaitable[_Answer]]
    ) -> list[tuple[pb.Replica, _Answer | None]]:
        """Ask a question, or wait for the same question that is under way.

        Otherwise many browsers would open as many connections to each peer, and take the file descriptors that proxies
        need.
        """
        task: asyncio.Task[list[tuple[pb.Replica, _Answer | None]]] | None = self._asking.get(name)
        if task is None:
            task = self._asking[name] = asyncio.create_task(self._ask(question))
            task.add_done_callback(lambda _: self._asking.pop(name))
        return await asyncio.shield(task)

    async def _ask(
        self, question: Callable[[Any, float], Awaitable[_Answer]]
    ) -> list[tuple[pb.Replica, _Answer | None]]:
        """Ask every peer a question, and for its status. Each replica is listed once."""
        deadline = time.monotonic() + PEER_SECONDS
        found: list[tuple[pb.Replica, _Answer | None]] = []
        targets: dict[str, None] = {}
        for address, resolved in zip(
            self._addresses, await asyncio.gather(*(_resolve(each) for each in self._addresses)), strict=True
        ):
            if isinstance(resolved, _Failure):
                found.append((_failed(str(address), resolved), None))
            else:
                targets |= dict.fromkeys(resolved)
        if len(targets) > MAX_PEERS:
            failure = _Failure(f"{len(targets)} addresses, of which {MAX_PEERS} are asked", "Check --peers.")
            found.append((_failed(", ".join(map(str, self._addresses)), failure), None))
        asked = (self._ask_one(each, question, deadline) for each in list(targets)[:MAX_PEERS])
        seen = {self._own_id}
        for replica, answer in await asyncio.gather(*asked):
            if not replica.HasField("status") or replica.status.id not in seen:
                seen.add(replica.status.id)
                found.append((replica, answer))
        return sorted(found, key=lambda each: (each[0].status.replica, each[0].address))

    async def _ask_one(
        self,
        target: str,
        question: Callable[[Any, float], Awaitable[_Answer]],
        deadline: float,
    ) -> tuple[pb.Replica, _Answer | None]:
        async with self._channel(target) as channel:
            stub = debug_pb2_grpc.DebugServiceStub(channel)
            try:
                seconds = max(deadline - time.monotonic(), 0.0)
                status = await stub.GetStatus(pb.GetStatusRequest(), timeout=seconds)
                answer = None
                if status.id != self._own_id:
                    answer = await question(stub, max(deadline - time.monotonic(), 0.0))
            except grpc.aio.AioRpcError as error:
                return _failed(target, self._failure(error.code(), error.details() or "")), None
        if not _is_sound(status):
            return _failed(target, _Failure("its answer has a time outside the calendar", _SEE_THE_POD)), None
        return pb.Replica(address=target, status=status), answer

    def _channel(self, target: str) -> grpc.aio.Channel:
        if self._tls is None:
            return grpc.aio.insecure_channel(target, options=_OPTIONS)
        material, name = self._tls.material, self._shared_name
        credentials = grpc.ssl_channel_credentials(material.client_ca, material.private_key, material.certificate)
        options = (*_OPTIONS, ("grpc.ssl_target_name_override", name)) if name else _OPTIONS
        return grpc.aio.secure_channel(target, credentials, options=options)

    @property
    def _shared_name(self) -> str:
        """The first DNS name of this replica's own certificate; empty: there is none."""
        own = next((each for each in self._tls.own_certificates if each.use == "server"), None) if self._tls else None
        return next((name for name in own.names if "=" not in name), "") if own else ""

    def _failure(self, code: grpc.StatusCode, details: str) -> _Failure:
        name = self._shared_name
        if code is grpc.StatusCode.DEADLINE_EXCEEDED:
            return _Failure(f"no answer within {PEER_SECONDS:g} s", _SEE_THE_POD)
        if code is grpc.StatusCode.PERMISSION_DENIED:
            remedy = f"Add {name or 'a name of the certificate of the replicas'} to --tls-operators of every replica."
            return _Failure(details[:MAX_ERROR_CHARACTERS], remedy)
        if code is grpc.StatusCode.UNIMPLEMENTED:
            return _Failure("the replica is older than this one, and can't answer", "Update the replica.")
        for part, failure in self._connection_failures().items():
            if part in details:
                return failure
        return _Failure(f"{code.name}: {details[:MAX_ERROR_CHARACTERS]}", _SEE_THE_POD)

    def _connection_failures(self) -> dict[str, _Failure]:
        """Failures by a part of gRPC's message. The first part that occurs counts."""
        usages = "Give every replica a certificate of one CA, with the usages server auth and client auth."
        return {
            "Hostname Verification": _Failure(
                f"its certificate is not for {self._shared_name}",
                "Give the certificates of all replicas one DNS name in common, as the first one.",
            ),
            "certificate has expired": _Failure("its certificate has expired", "Renew the certificate of the replica."),
            "CERTIFICATE_VERIFY_FAILED": _Failure("its certificate is not from the CA in --tls-client-ca", usages),
            "WRONG_VERSION_NUMBER": _Failure("it does not use TLS", "Start all replicas with the same --tls flags."),
            "Connection refused": _Failure("nothing listens there", "Check the port of --peers: that of --listen."),
            "Socket closed": _Failure("it closed the connection", f"It may not trust this replica. {usages}"),
        }


def _is_sound(status: pb.GetStatusResponse) -> bool:
    """Whether the message can be shown as JSON."""
    try:
        json_format.MessageToJson(status)
    except (ValueError, json_format.Error):
        return False
    return True


async def _resolve(address: HostPort) -> list[str] | _Failure:
    """The addresses of replicas, of IPv4 and of IPv6."""
    remedy = "Check --peers: the name of a headless Service, whose Pods need not be ready (publishNotReadyAddresses)."
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(PEER_SECONDS / 2):
            found = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except TimeoutError:
        return _Failure(f"no answer from DNS within {PEER_SECONDS / 2:g} s", remedy)
    except (OSError, UnicodeError) as error:
        return _Failure(f"the name can't be resolved: {getattr(error, 'strerror', None) or error}", remedy)
    return list(_targets(found))


def _targets(found: Iterable[tuple[object, object, object, object, tuple[object, ...]]]) -> dict[str, None]:
    return {str(HostPort(str(where[0]), int(str(where[1])))): None for _, _, _, _, where in found}


def _failed(address: str, failure: _Failure) -> pb.Replica:
    return pb.Replica(address=address, error=failure.error, remedy=failure.remedy)
