"""The HTTP client of an API server, with the server's address and the credentials kept up to date.

Configuration and credentials (kubeconfig, exec plugins, a Pod's own token) come from `kubernetes.aio`. Requests use
aiohttp directly: the models of `kubernetes.aio` take four times as long as the decoding in xds.kube.wire, and its
requests end after 300 s.
"""

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from xds.kube.wire import failure_of
from xds.kubeapi.configuration import MISCONFIGURED, configuration, one_line
from xds.kubeapi.interface import JSON, ApiUnavailable
from xds.kubeapi.kubeconfig import Access, CredentialsError

if TYPE_CHECKING:
    from kubernetes.aio.client import Configuration

LOGIN_TIMEOUT_SECONDS: Final = 30.0
"""For new credentials: an exec plugin may hang."""

_NO_CREDENTIALS: Final = f"no credentials within {LOGIN_TIMEOUT_SECONDS:.0f} s; see the plugin that it names"

CONNECT_TIMEOUT_SECONDS: Final = 10.0
"""Includes the TLS handshake."""

MAX_ERROR_BODY_BYTES: Final = 1 << 20

# A connection that dies in silence (a machine crashed, a firewall dropped its state) is noticed after some 30 s, as by
# client-go's HTTP/2 pings: https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/apimachinery/pkg/util/net/http.go#L164
_KEEPALIVE: Final = (
    (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
    (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 15),
    (socket.IPPROTO_TCP, "TCP_KEEPALIVE", 15),  # macOS' name of the former
    (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 5),
    (socket.IPPROTO_TCP, "TCP_KEEPCNT", 3),
    (socket.IPPROTO_TCP, "TCP_USER_TIMEOUT", 30_000),  # milliseconds; of Linux
)


class ErrorStatus(Exception):  # noqa: N818 -- an answer of the API server, not an error of the program
    """The API server answered with a status other than 200.

    Attributes:
        message: The text of the API server.
        retry_after: Seconds that the API server asks to wait.
    """

    def __init__(self, status: int, message: str, retry_after: float = 0) -> None:
        super().__init__(f"{status} {message}")
        self.status = status
        self.message = message
        self.retry_after = retry_after


@dataclass(slots=True, eq=False)
class _Login:
    """The configuration as read once, and the connections made with this configuration.

    Attributes:
        kept: Keeps idle connections for later requests.
        fresh: Opens a connection for each request. An idle connection may lead to a dead backend of a TCP balancer.
        users: Requests under way.
        retired: Whether all connections are closed with the last request.
    """

    configuration: "Configuration"
    tls: ssl.SSLContext
    kept: aiohttp.ClientSession
    fresh: aiohttp.ClientSession
    users: int = 0
    retired: bool = False

    @classmethod
    async def create(cls, access: Access) -> "_Login":
        """Read the configuration.

        Raises:
            CredentialsError: the configuration can't be used.
        """
        from kubernetes.aio.client.rest import RESTClientObject  # noqa: PLC0415 -- the import takes 0.5 s

        try:
            settings = await configuration(access)
            tls: ssl.SSLContext = RESTClientObject(settings).ssl_context
        except ssl.SSLError as error:
            text = "a CA, a certificate or a key is not PEM, or the key belongs to another certificate"
            raise CredentialsError(f"{text} ({one_line(error)})") from None
        except MISCONFIGURED as error:
            raise CredentialsError(one_line(error)) from None
        return cls._of(settings, tls)

    @classmethod
    def _of(cls, configuration: "Configuration", tls: ssl.SSLContext) -> "_Login":
        return cls(configuration, tls, _session(tls), _session(tls, force_close=True))

    def without_connections(self) -> "_Login":
        """Return a login with the same configuration and no connection yet."""
        return self._of(self.configuration, self.tls)

    async def headers(self) -> dict[str, str]:
        try:
            settings = await self.configuration.auth_settings()  # reads the token of a Pod again each minute
        except MISCONFIGURED as error:
            raise ApiUnavailable(f"the credentials can't be read: {one_line(error)}") from None
        token: Any = settings.get("BearerToken", {})
        return {"Authorization": token["value"].strip()} if token.get("value") else {}

    async def release(self) -> None:
        if self.retired and not self.users:
            await self.close()

    async def close(self) -> None:
        await self.kept.close()
        await self.fresh.close()


class ApiClient:
    """A client that must be closed. Any number of requests may run at a time, each on a separate connection.

    The configuration is read again after an answer with status 401 and after a certificate that is not trusted; the
    address of the API server may change with the configuration. A request that times out closes the idle
    connections and its own: a TCP balancer may keep the connections of a dead backend open.
    """

    def __init__(self, access: Access, login: _Login) -> None:
        self._access = access
        self._login = login
        self._relogin = asyncio.Lock()

    @classmethod
    async def create(cls, access: Access) -> "ApiClient":
        """Read the configuration, without sending a request.

        Raises:
            SourceError: the configuration can't be used.
        """
        try:
            async with asyncio.timeout(LOGIN_TIMEOUT_SECONDS):
                return cls(access, await _Login.create(access))
        except CredentialsError as error:
            raise access.unusable(error) from None
        except TimeoutError:
            raise access.unusable(CredentialsError(_NO_CREDENTIALS)) from None

    @property
    def server(self) -> str:
        return str(self._login.configuration.host)

    async def close(self) -> None:
        """Close all connections."""
        await self._login.close()
        await asyncio.sleep(0)

    @contextlib.asynccontextmanager
    async def get(
        self,
        path: str,
        params: Mapping[str, str],
        *,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 -- aiohttp's
        new_connection: bool = False,
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """Send a GET request, and yield the answer before its body is read.

        Args:
            path: Begins with `/api` or `/apis`.
            params: The query.
            timeout: Limits of the request's phases.
            new_connection: Whether an idle connection won't do.

        Raises:
            ErrorStatus: the status is not 200.
            ApiUnavailable: no answer came, or the connection broke off, within the context too.
        """
        async with self._answer("GET", path, new_connection=new_connection, params=params, timeout=timeout) as response:
            if response.status != 200:
                raise await _error_status(response)
            yield response

    async def request(
        self,
        method: str,
        path: str,
        *,
        body: Mapping[str, Any] | None = None,
        content_type: str = JSON,
        params: Mapping[str, str] | None = None,
        timeout: float = 10,  # noqa: ASYNC109 -- as in `Api`
    ) -> tuple[int, dict[str, Any]]:
        """Send one request: the method of `Api`."""
        data = None if body is None else json.dumps(body).encode()
        limits = aiohttp.ClientTimeout(total=timeout)
        headers = {} if data is None else {"Content-Type": content_type}
        how: dict[str, Any] = {"params": params or {}, "timeout": limits, "data": data}
        try:
            # The timeout includes new credentials and the second attempt: no write may arrive after its time.
            async with asyncio.timeout(timeout), self._answer(method, path, headers=headers, **how) as answer:
                return answer.status, _object(await answer.read())
        except TimeoutError:
            await self._drop_connections(self._login)
            raise _TimedOut from None

    @contextlib.asynccontextmanager
    async def _answer(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        new_connection: bool = False,
        **how: Any,
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """The answer, whatever its status; after a 401 the request is sent again with new credentials."""

        def sent(login: _Login) -> contextlib.AbstractAsyncContextManager[aiohttp.ClientResponse]:
            return _sent(login, method, path, headers or {}, how, new_connection=new_connection)

        used = self._login
        try:
            async with contextlib.AsyncExitStack() as stack:
                try:
                    response = await stack.enter_async_context(sent(used))
                except _UntrustedCertificate:
                    response = None
                if response is None or response.status == 401:
                    used = await self._renewed(used)
                    response = await stack.enter_async_context(sent(used))
                yield response
        except _TimedOut:
            await self._drop_connections(used)
            raise

    async def _drop_connections(self, used: _Login) -> None:
        """Use new connections from now on. Requests under way go on."""
        if self._login is used:
            self._login = used.without_connections()
            used.retired = True
            await used.release()

    async def _renewed(self, used: _Login) -> _Login:
        """A login newer than the one used. Streams on the old login go on."""
        async with self._relogin:
            if self._login is used:
                try:
                    async with asyncio.timeout(LOGIN_TIMEOUT_SECONDS):
                        self._login = await _Login.create(self._access)
                except CredentialsError as error:
                    raise ApiUnavailable(str(self._access.unusable(error))) from None
                except TimeoutError:
                    raise ApiUnavailable(_NO_CREDENTIALS) from None
                used.retired = True
                await used.release()
            return self._login


def _object(text: bytes) -> dict[str, Any]:
    """The JSON object in an answer; {} for any other content."""
    try:
        decoded = json.loads(text or b"{}")
    except ValueError:
        return {}
    return decoded if isinstance(decoded, dict) else {}


class _TimedOut(ApiUnavailable):
    """A phase of the request, or the whole exchange, took longer than allowed."""

    def __init__(self) -> None:
        super().__init__("no answer in time")


class _UntrustedCertificate(ApiUnavailable):
    """The certificate of the API server is not trusted: perhaps the configured CA is out of date."""


@contextlib.asynccontextmanager
async def _sent(
    login: _Login,
    method: str,
    path: str,
    headers: Mapping[str, str],
    how: Mapping[str, Any],
    *,
    new_connection: bool,
) -> AsyncGenerator[aiohttp.ClientResponse, None]:
    """Send one request with one login. Compression is off: within a data centre the CPU time costs more than the bytes.

    Raises:
        ApiUnavailable: no answer came, or the connection broke off.
    """
    configuration = login.configuration
    if configuration.tls_server_name:
        how = {**how, "server_hostname": configuration.tls_server_name}
    login.users += 1
    try:
        headers = {"Accept": JSON, "Accept-Encoding": "identity", **headers, **await login.headers()}
        session = login.fresh if new_connection else login.kept
        async with session.request(
            method,
            configuration.host + path,
            headers=headers,
            proxy=configuration.proxy,
            allow_redirects=False,
            **how,
        ) as response:
            yield response
    except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
        raise _UntrustedCertificate(one_line(error)) from None
    except TimeoutError:
        raise _TimedOut from None
    except (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError, ConnectionResetError):
        raise ApiUnavailable("the connection broke off") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise ApiUnavailable(one_line(error)) from None
    finally:
        login.users -= 1
        await login.release()


async def _error_status(response: aiohttp.ClientResponse) -> ErrorStatus:
    body = await response.content.read(MAX_ERROR_BODY_BYTES)
    failure = failure_of(body)
    after = response.headers.get("Retry-After", "")
    message = failure.message if failure else response.reason or ""
    return ErrorStatus(response.status, message, float(after) if after.isdecimal() else 0)


def _session(tls: ssl.SSLContext, *, force_close: bool = False) -> aiohttp.ClientSession:
    connector = aiohttp.TCPConnector(limit=0, ssl=tls, socket_factory=_socket, force_close=force_close)
    return aiohttp.ClientSession(connector=connector, trust_env=True)


def _socket(info: Any) -> socket.socket:
    family, kind, protocol, *_ = info
    made = socket.socket(family, kind, protocol)
    with contextlib.suppress(OSError):
        for level, name, value in _KEEPALIVE:
            if (option := getattr(socket, name, None)) is not None:
                made.setsockopt(level, option, value)
    return made
