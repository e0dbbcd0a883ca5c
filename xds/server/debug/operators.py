"""Authorization of the debug API by certificate names, for `--tls-operators`."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Final

import grpc
import structlog

from xds.api.v1 import debug_pb2 as pb
from xds.server.tls import names_of, shown_names

LOGGED_CERTIFICATES: Final = 1000
"""Most certificates whose denial is logged, one line each."""

_METHODS: Final = f"/{pb.DESCRIPTOR.services_by_name['DebugService'].full_name}/"

REMEDY: Final = "add a name of the certificate to --tls-operators, or use another certificate"

_log = structlog.get_logger()


class OperatorsOnly(grpc.aio.ServerInterceptor):  # type: ignore[type-arg]  # generic in the stubs only
    """Denies the debug API to peers whose certificate has none of the names. Other services stay open.

    Args:
        operators: DNS or URI names, compared letter for letter.
    """

    def __init__(self, operators: frozenset[str]) -> None:
        self._operators = operators
        self._denied: set[frozenset[str]] = set()

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        handler = await continuation(handler_call_details)
        if handler is None or not handler_call_details.method.startswith(_METHODS):
            return handler
        if handler.unary_unary is not None:
            return handler._replace(unary_unary=self._guarded(handler.unary_unary))
        return handler._replace(unary_stream=self._guarded_stream(handler.unary_stream))

    def _guarded(self, behavior: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def answer(request: Any, context: Any) -> Any:
            await self._check(context)
            return await behavior(request, context)

        return answer

    def _guarded_stream(self, behavior: Callable[..., AsyncIterator[Any]]) -> Callable[..., AsyncIterator[Any]]:
        async def answer(request: Any, context: Any) -> AsyncIterator[Any]:
            await self._check(context)
            async for response in behavior(request, context):
                yield response

        return answer

    async def _check(self, context: Any) -> None:
        names = names_of(context.auth_context())
        if names & self._operators:
            return
        text = f"the certificate names {shown_names(names)}, and no name that may use the debug API"
        if names not in self._denied and len(self._denied) < LOGGED_CERTIFICATES:
            self._denied.add(names)
            _log.warning("debug_api_denied", peer=context.peer(), error=text, remedy=REMEDY)
        await context.abort(grpc.StatusCode.PERMISSION_DENIED, text)
