"""The connection to an API server: where it is, who we are, and how both are kept up to date.

Configuration and credentials (kubeconfig, exec plugins, a Pod's own token) are `kubernetes.aio`'s. Requests are
aiohttp's: the client's models cost four times what decoding here does, and its requests end after 300 s.
"""

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import aiohttp
from yaml import YAMLError

from xds.kube.source import SourceError
from xds.kube.wire import failure_of
from xds.kubeapi.interface import JSON, ApiUnavailable

if TYPE_CHECKING:
    from kubernetes.aio.client import Configuration

LOGIN_TIMEOUT: Final = 30.0
"""Seconds for new credentials: an exec plugin may hang."""

CONNECT: Final = 10.0
"""Seconds to connect, TLS included."""

MAX_REFUSAL: Final = 1 << 20
"""Bytes that are read of an answer that refuses."""

# A peer that is gone without a word (its machine died, a firewall forgot us) is noticed after some 30 s, as by
# client-go's HTTP/2 pings: https://github.com/kubernetes/kubernetes/blob/v1.34.0/staging/src/k8s.io/apimachinery/pkg/util/net/http.go#L164
_KEEPALIVE: Final = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
    (socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000),  # milliseconds
)


@dataclass(frozen=True, slots=True)
class Access:
    """How to get to the API server. Without a kubeconfig: as a Pod does."""

    kubeconfig: Path | None = None

    def __str__(self) -> str:
        return str(self.kubeconfig) if self.kubeconfig else "in-cluster"


class Refused(Exception):  # noqa: N818 -- an answer, if not the one we want
    """The API server answered, and not with what was asked for. `status` is HTTP's, `message` its own words."""

    def __init__(self, status: int, message: str, retry_after: float = 0) -> None:
        super().__init__(f"{status} {message}")
        self.status = status
        self.message = message
        self.retry_after = retry_after


class CredentialsError(Exception):
    """Configuration or credentials can't be read, or make no sense. The message is one line."""


_MISCONFIGURED: Final = (CredentialsError, OSError, ValueError, TypeError, KeyError, AttributeError, YAMLError)
"""What files that hold something else make `kubernetes.aio` raise."""


@dataclass(slots=True, eq=False)
class _Login:
    """One reading of the configuration, and the connections made with it."""

    configuration: "Configuration"
    session: aiohttp.ClientSession
    users: int = 0
    retired: bool = False

    @classmethod
    async def create(cls, access: Access) -> "_Login":
        """Read it.

        Raises:
            CredentialsError: it can't be used.
        """
        from kubernetes.aio.client.rest import RESTClientObject  # noqa: PLC0415 -- takes 0.5 s; a folder needs none

        try:
            configuration = await _configuration(access)
            tls: ssl.SSLContext = RESTClientObject(configuration).ssl_context
        except _MISCONFIGURED as error:
            raise CredentialsError(_one_line(error)) from None
        connector = aiohttp.TCPConnector(limit=0, ssl=tls, socket_factory=_socket)
        return cls(configuration, aiohttp.ClientSession(connector=connector, trust_env=True))

    async def headers(self) -> dict[str, str]:
        try:
            settings = await self.configuration.auth_settings()  # reads a Pod's token again each minute
        except _MISCONFIGURED as error:
            raise ApiUnavailable(f"the credentials can't be read: {_one_line(error)}") from None
        token: Any = settings.get("BearerToken", {})
        return {"Authorization": token["value"]} if token.get("value") else {}

    async def release(self) -> None:
        if self.retired and not self.users:
            await self.session.close()


class ApiClient:
    """To be closed. Any number of requests at a time, each on a connection of its own.

    Where the API server is may change with the configuration, which is read again when the server says 401, and when
    its certificate isn't one that we trust.
    """

    def __init__(self, access: Access, login: _Login) -> None:
        self._access = access
        self._login = login
        self._relogin = asyncio.Lock()

    @classmethod
    async def create(cls, access: Access) -> "ApiClient":
        """Reads the configuration; nothing is sent.

        Raises:
            SourceError: it can't be used.
        """
        try:
            return cls(access, await _Login.create(access))
        except CredentialsError as error:
            raise SourceError(_unusable(access, str(error))) from None

    @property
    def server(self) -> str:
        return str(self._login.configuration.host)

    async def close(self) -> None:
        """Ends all connections."""
        await self._login.session.close()
        await asyncio.sleep(0)

    @contextlib.asynccontextmanager
    async def get(
        self,
        path: str,
        params: Mapping[str, str],
        *,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 -- aiohttp's
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """A request whose answer is 200; its body is still to be read.

        Raises:
            Refused: the answer is another one.
            ApiUnavailable: there is none, or it breaks off (within the context, too).
        """
        async with self._answer("GET", path, params=params, timeout=timeout) as response:
            if response.status != 200:
                raise await _refusal(response)
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
        """As `Api` has it."""
        data = None if body is None else json.dumps(body).encode()
        limits = aiohttp.ClientTimeout(total=timeout)
        headers = {} if data is None else {"Content-Type": content_type}
        how: dict[str, Any] = {"params": params or {}, "timeout": limits, "data": data}
        try:
            # Over new credentials and a second try, too: a write must not land after its time.
            async with asyncio.timeout(timeout), self._answer(method, path, headers=headers, **how) as answer:
                return answer.status, _object(await answer.read())
        except TimeoutError:
            raise ApiUnavailable("no answer in time") from None

    @contextlib.asynccontextmanager
    async def _answer(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, **how: Any
    ) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """The answer, whatever it says; with new credentials if it says that ours are none."""
        async with contextlib.AsyncExitStack() as stack:
            used = self._login
            try:
                response = await stack.enter_async_context(_sent(used, method, path, headers or {}, how))
            except _Distrusted:
                response = None
            if response is None or response.status == 401:
                renewed = await self._renewed(used)
                response = await stack.enter_async_context(_sent(renewed, method, path, headers or {}, how))
            yield response

    async def _renewed(self, used: _Login) -> _Login:
        """The login that comes after the one that was used. Streams that use the old one go on."""
        async with self._relogin:
            if self._login is used:
                try:
                    async with asyncio.timeout(LOGIN_TIMEOUT):
                        self._login = await _Login.create(self._access)
                except CredentialsError as error:
                    raise ApiUnavailable(_unusable(self._access, str(error))) from None
                except TimeoutError:
                    raise ApiUnavailable(f"no new credentials within {LOGIN_TIMEOUT:.0f} s") from None
                used.retired = True
                await used.release()
            return self._login


def _object(text: bytes) -> dict[str, Any]:
    """The object in an answer; an empty one for anything else."""
    try:
        decoded = json.loads(text or b"{}")
    except ValueError:
        return {}
    return decoded if isinstance(decoded, dict) else {}


class _Distrusted(ApiUnavailable):
    """Their certificate isn't one that we trust: perhaps our CA is out of date."""


@contextlib.asynccontextmanager
async def _sent(
    login: _Login, method: str, path: str, headers: Mapping[str, str], how: Mapping[str, Any]
) -> AsyncGenerator[aiohttp.ClientResponse, None]:
    """One request with one login. Compression is declined: within a data centre it costs more than it saves.

    Raises:
        ApiUnavailable: there was no answer, or it broke off while it was read.
    """
    configuration = login.configuration
    if configuration.tls_server_name:
        how = {**how, "server_hostname": configuration.tls_server_name}
    login.users += 1
    try:
        headers = {"Accept": JSON, "Accept-Encoding": "identity", **headers, **await login.headers()}
        async with login.session.request(
            method,
            configuration.host + path,
            headers=headers,
            proxy=configuration.proxy,
            allow_redirects=False,
            **how,
        ) as response:
            yield response
    except (aiohttp.ClientConnectorCertificateError, aiohttp.ClientConnectorSSLError) as error:
        raise _Distrusted(_one_line(error)) from None
    except TimeoutError:
        raise ApiUnavailable("no answer in time") from None
    except (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError, ConnectionResetError):
        raise ApiUnavailable("the connection broke off") from None
    except (aiohttp.ClientError, OSError, ValueError) as error:
        raise ApiUnavailable(_one_line(error)) from None
    finally:
        login.users -= 1
        await login.release()


async def _refusal(response: aiohttp.ClientResponse) -> Refused:
    body = await response.content.read(MAX_REFUSAL)
    failure = failure_of(body)
    after = response.headers.get("Retry-After", "")
    message = failure.message if failure else response.reason or ""
    return Refused(response.status, message, float(after) if after.isdecimal() else 0)


async def _configuration(access: Access) -> "Configuration":
    """What `kubernetes.aio` makes of the files.

    Raises:
        one of _MISCONFIGURED: they aren't what they should be.
    """
    from kubernetes.aio import config  # noqa: PLC0415 -- takes 0.5 s; a folder needs none
    from kubernetes.aio.client import Configuration  # noqa: PLC0415

    configuration = Configuration()
    if access.kubeconfig is None:
        _in_cluster(config, configuration)
        return configuration
    path = access.kubeconfig.expanduser()
    if not path.is_file():  # kubernetes.aio takes that for an empty one
        raise CredentialsError("there is no such file")
    try:
        loader: Any = await config.load_kube_config(  # type: ignore[no-untyped-call]
            config_file=str(path), client_configuration=configuration, persist_config=False
        )
    except config.ConfigException as error:
        raise CredentialsError(_one_line(error)) from None
    except (YAMLError, TypeError, KeyError, AttributeError):
        raise CredentialsError("is not a kubeconfig") from None
    user = loader.current_context["context"].get("user")
    if user and configuration.host.startswith("https") and not (configuration.api_key or configuration.cert_file):
        raise CredentialsError(f"it gives the user {user!r} no credentials; if a plugin does, see what that said above")
    return configuration


def _in_cluster(config: Any, configuration: "Configuration") -> None:
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException as error:
        raise CredentialsError(_one_line(error)) from None


def _socket(info: Any) -> socket.socket:
    family, kind, protocol, *_ = info
    made = socket.socket(family, kind, protocol)
    with contextlib.suppress(OSError):
        for option in _KEEPALIVE:
            made.setsockopt(*option)
    return made


def _unusable(access: Access, why: str) -> str:
    if access.kubeconfig is None:
        return f"--in-cluster: {why}; outside a Pod use --kubeconfig"
    return f"{access.kubeconfig}: {why}; see `kubectl --kubeconfig {access.kubeconfig} cluster-info`"


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text or type(error).__name__
