"""A client of the debug API."""

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # before the import: keeps gRPC's log off standard error

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from xds.address import HostPort, UnixPath
from xds.api.v1 import debug_pb2 as pb
from xds.api.v1 import debug_pb2_grpc
from xds.bootstrap.client_tls import ClientTls
from xds.cli.options import Credentials, Failed, Server

ANSWER_TIMEOUT_SECONDS: Final = 30.0

PAGE_SIZE: Final = 1000
"""Ingresses in one response, at most as many as the server allows."""

_DEBUG_SERVICE: Final = pb.DESCRIPTOR.services_by_name["DebugService"].full_name

CHANNEL_OPTIONS: Final = (
    ("grpc.max_receive_message_length", -1),  # a revision is one message, however large
    ("grpc.enable_http_proxy", 0),  # many users set http_proxy, for the web only
    ("grpc.min_reconnect_backoff_ms", 3000),  # also limits the time for one connection attempt
    # A server that hangs is noticed within 20 s, during a watch too. The server allows a ping every 5 s.
    ("grpc.keepalive_time_ms", 10_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.http2.ping_timeout_ms", 10_000),  # else the former has no effect on a server whose kernel still answers
    ("grpc.http2.max_pings_without_data", 0),
)

_ERROR_TEXTS: Final = {
    grpc.StatusCode.UNAVAILABLE: "no server answers at {address}; "
    "start one with 'xds serve --from DIR' or name another with --server",
    grpc.StatusCode.DEADLINE_EXCEEDED: f"the server at {{address}} did not answer within "
    f"{ANSWER_TIMEOUT_SECONDS:.0f} s; see its log",
    grpc.StatusCode.UNIMPLEMENTED: "the server at {address} has no debug API; name another server with --server",
    grpc.StatusCode.PERMISSION_DENIED: "{details} at {address}; use the certificate of an operator, "
    "or add a name to --tls-operators of the server",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "{details}; start again",
    grpc.StatusCode.OUT_OF_RANGE: "{details}; choose revisions within it",
    grpc.StatusCode.NOT_FOUND: "{details} at {address}; check namespace and name",
    grpc.StatusCode.FAILED_PRECONDITION: "{details}; try again in a moment",
}


_HANDSHAKE_ERRORS: Final = {
    True: {
        "certificate has expired": "the certificate of the server at {address} has expired; renew the server's",
        "certificate is not yet valid": "the certificate of the server at {address} is not valid yet; check the clocks",
        "Hostname Verification": "the certificate of the server at {address} is for another name; "
        "set the expected name with --tls-server-name",
        "CERTIFICATE_VERIFY_FAILED": "the certificate of the server at {address} is not from the CA in --tls-ca",
        "WRONG_VERSION_NUMBER": "the server at {address} does not use TLS; "
        "leave out --tls-ca, --tls-cert and --tls-key",
        "security handshaker": "the files of --tls-ca, --tls-cert and --tls-key are not all in PEM, "
        "or the key doesn't belong to the certificate",
        "Socket closed": "the server at {address} closed the connection; perhaps --tls-cert is not from "
        "the CA in its --tls-client-ca",
    },
    False: {
        "Socket closed": "the server at {address} closed the connection; if it uses TLS, "
        "give --tls-ca, --tls-cert and --tls-key",
    },
}
"""Errors of a connection with TLS (True) and without, by a part of gRPC's message. If gRPC's messages change, a general
error of `_ERROR_TEXTS` is printed instead.
"""


_OLDER_SERVER: Final = "the server at {address} is older than this command and can't answer it; update the server"

_HANGING_SERVER: Final = "the server at {address} has stopped answering; see its log"

_CONNECTION_ERRORS: Final = {
    "hostname lookup error": "the host of {address} has no address; check the name, or the name server",
    "the server shuts down": "the server at {address} has shut down; start it again, then this command",
    "ping timeout": _HANGING_SERVER,
    "keepalive timeout": _HANGING_SERVER,
    "keepalive watchdog timeout": _HANGING_SERVER,
}
"""Errors of a connection, with TLS and without, by a part of gRPC's message or of the server's."""


class Client:
    """Calls the debug API of a server.

    Raises:
        Failed: from every method: the server can't be reached, or can't answer.
        click.UsageError: from every method: the server rejected an argument.
    """

    def __init__(self, server: Server) -> None:
        self._address = str(server)
        self._tls = server.tls
        self._channel = _channel(server)
        self._stub = debug_pb2_grpc.DebugServiceStub(self._channel)

    def resources(self, request: pb.ListResourcesRequest) -> tuple[pb.Snapshot, list[pb.Resource]]:
        with self._explained():
            responses = list(self._stub.ListResources(request, timeout=ANSWER_TIMEOUT_SECONDS))
        return responses[0].snapshot, [resource for response in responses for resource in response.resources]

    def diff(self, request: pb.DiffSnapshotsRequest) -> tuple[pb.DiffSnapshotsResponse, list[pb.ResourceChange]]:
        """The first response, which holds the two revisions, and all changes."""
        with self._explained():
            responses = list(self._stub.DiffSnapshots(request, timeout=ANSWER_TIMEOUT_SECONDS))
        return responses[0], [change for response in responses for change in response.changes]

    def watch(self, request: pb.WatchSnapshotRequest) -> Iterator[pb.WatchSnapshotResponse]:
        """Every new revision, after an empty item that marks the start of the subscription."""
        with self._explained():
            call = self._stub.WatchSnapshot(request)
            try:
                call.initial_metadata()
                if call.is_active():
                    yield pb.WatchSnapshotResponse()
                yield from call
            finally:
                call.cancel()

    def proxies(self, *, all_replicas: bool = False) -> pb.ListProxiesResponse:
        with self._explained():
            request = pb.ListProxiesRequest(all_replicas=all_replicas)
            response: pb.ListProxiesResponse = self._stub.ListProxies(request, timeout=ANSWER_TIMEOUT_SECONDS)
            return response

    def ingresses(self, request: pb.ListIngressesRequest) -> tuple[list[pb.IngressSummary], pb.ListIngressesResponse]:
        """The Ingresses of all pages, and the last page."""
        asked, found = pb.ListIngressesRequest(), list[pb.IngressSummary]()
        asked.CopyFrom(request)
        asked.page_size = PAGE_SIZE
        with self._explained():
            while True:
                page: pb.ListIngressesResponse = self._stub.ListIngresses(asked, timeout=ANSWER_TIMEOUT_SECONDS)
                found += page.ingresses
                if not page.next_page_token:
                    return found, page
                asked.page_token = page.next_page_token

    def replicas(self) -> list[pb.Replica]:
        """The replica that answers, then the others."""
        with self._explained():
            response = self._stub.ListReplicas(pb.ListReplicasRequest(), timeout=ANSWER_TIMEOUT_SECONDS)
            return list(response.replicas)

    def certificates(self) -> list[pb.Certificate]:
        with self._explained():
            response = self._stub.ListCertificates(pb.ListCertificatesRequest(), timeout=ANSWER_TIMEOUT_SECONDS)
            return list(response.certificates)

    def revisions(self) -> list[pb.RevisionSummary]:
        with self._explained():
            return list(self._stub.ListRevisions(pb.ListRevisionsRequest(), timeout=ANSWER_TIMEOUT_SECONDS).revisions)

    def diagnostics(self) -> pb.GetDiagnosticsResponse:
        with self._explained():
            request = pb.GetDiagnosticsRequest()
            response: pb.GetDiagnosticsResponse = self._stub.GetDiagnostics(request, timeout=ANSWER_TIMEOUT_SECONDS)
            return response

    def problems(self) -> list[pb.Problem]:
        with self._explained():
            return list(self._stub.ListProblems(pb.ListProblemsRequest(), timeout=ANSWER_TIMEOUT_SECONDS).problems)

    def explain(self, request: pb.ExplainRequest) -> pb.ExplainResponse:
        with self._explained():
            response: pb.ExplainResponse = self._stub.Explain(request, timeout=ANSWER_TIMEOUT_SECONDS)
            return response

    def why_ingress(self, request: pb.WhyIngressRequest) -> pb.WhyIngressResponse:
        with self._explained():
            response: pb.WhyIngressResponse = self._stub.WhyIngress(request, timeout=ANSWER_TIMEOUT_SECONDS)
            return response

    def why_object(self, request: pb.WhyObjectRequest) -> pb.WhyObjectResponse:
        with self._explained():
            response: pb.WhyObjectResponse = self._stub.WhyObject(request, timeout=ANSWER_TIMEOUT_SECONDS)
            return response

    def ports(self) -> list[pb.Port]:
        with self._explained():
            return list(self._stub.ListPorts(pb.ListPortsRequest(), timeout=ANSWER_TIMEOUT_SECONDS).ports)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except grpc.RpcError as error:
            raise self._explanation(error.code(), error.details() or "") from None

    def _explanation(self, code: grpc.StatusCode, details: str) -> click.ClickException:
        if code is grpc.StatusCode.INVALID_ARGUMENT:
            return click.UsageError(details, click.get_current_context())
        if code is grpc.StatusCode.UNIMPLEMENTED and self._has_debug_api():
            return Failed(_OLDER_SERVER.format(address=self._address))
        for message, text in _CONNECTION_ERRORS.items():
            if message in details.lower():
                return Failed(text.format(address=self._address))
        if self._tls is not None and code is grpc.StatusCode.UNAVAILABLE and "refused" not in details:
            # Imported only here, as the import of cryptography takes a tenth of a second.
            own_certificate = importlib.import_module("xds.cli.own_certificate")
            if own := own_certificate.fault(*_certificate(self._tls)):
                return Failed(own)
        handshakes = _HANDSHAKE_ERRORS[self._tls is not None].items()
        handshake = next((text for message, text in handshakes if message in details), "")
        explanation = handshake or _ERROR_TEXTS.get(
            code, "the server at {address} failed ({code}: {details}); see its log"
        )
        return Failed(explanation.format(address=self._address, code=code.name, details=details))

    def _has_debug_api(self) -> bool:
        """Whether the server knows any method of the debug API. gRPC has one error for a service and a method."""
        request = health_pb2.HealthCheckRequest(service=_DEBUG_SERVICE)
        try:
            health_pb2_grpc.HealthStub(self._channel).Check(request, timeout=ANSWER_TIMEOUT_SECONDS)
        except grpc.RpcError:
            return False
        return True


def _channel(server: Server) -> grpc.Channel:
    target = _target(server.address)
    if server.tls is None:
        return grpc.insecure_channel(target, options=CHANNEL_OPTIONS)
    name = server.tls.server_name
    options = (*CHANNEL_OPTIONS, ("grpc.ssl_target_name_override", name)) if name else CHANNEL_OPTIONS
    return grpc.secure_channel(target, _credentials(server.tls), options=options)


def _certificate(tls: ClientTls | Credentials) -> tuple[str, bytes]:
    """The place of the client's certificate, and its content."""
    if isinstance(tls, Credentials):
        return tls.source, tls.certificate
    return f"--tls-cert {tls.certificate}", _content("--tls-cert", tls.certificate)


def _credentials(tls: ClientTls | Credentials) -> grpc.ChannelCredentials:
    if isinstance(tls, Credentials):
        return grpc.ssl_channel_credentials(tls.ca, tls.private_key, tls.certificate)
    return grpc.ssl_channel_credentials(
        _content("--tls-ca", tls.ca), _content("--tls-key", tls.private_key), _content("--tls-cert", tls.certificate)
    )


def _content(flag: str, file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise Failed(f"{flag} {file} can't be read: {error.strerror}") from None


def _target(address: HostPort | UnixPath) -> str:
    if isinstance(address, UnixPath) and address.path.startswith("@"):
        return f"unix-abstract:{address.path.removeprefix('@')}"
    return str(address)
