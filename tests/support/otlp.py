"""A collector of traces: OTLP over gRPC, with as much of its messages as tests look at.

Source: https://github.com/open-telemetry/opentelemetry-proto/blob/v1.9.0/opentelemetry/proto/trace/v1/trace.proto
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, Final

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto

from tests.support.waiting import WAIT_LIMIT_SECONDS

_METHOD: Final = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"

_SCALARS: Final = {"string": FieldDescriptorProto.TYPE_STRING, "bytes": FieldDescriptorProto.TYPE_BYTES}
_MESSAGE: Final = FieldDescriptorProto.TYPE_MESSAGE
_REPEATED: Final = FieldDescriptorProto.LABEL_REPEATED

_MESSAGES: Final[dict[str, list[tuple[str, int, str]]]] = {
    "Request": [("resource_spans", 1, "ResourceSpans")],
    "ResourceSpans": [("resource", 1, "Resource"), ("scope_spans", 2, "ScopeSpans")],
    "Resource": [("attributes", 1, "KeyValue")],
    "ScopeSpans": [("spans", 2, "Span")],
    "Span": [
        ("trace_id", 1, "bytes"),
        ("parent_span_id", 4, "bytes"),
        ("name", 5, "string"),
        ("attributes", 9, "KeyValue"),
    ],
    "KeyValue": [("key", 1, "string"), ("value", 2, "AnyValue")],
    "AnyValue": [("string_value", 1, "string")],
    "Response": [],
}
"""The fields of each message, by name, number and type. All messages are repeated, which is how single ones travel."""


@dataclass(frozen=True, slots=True)
class Span:
    """A span.

    Attributes:
        trace_id: In hexadecimal digits.
        service: The name of the service whose span it is.
    """

    name: str
    trace_id: str
    parent_id: str
    service: str
    attributes: dict[str, str]


@dataclass(slots=True)
class Collector:
    """The spans received so far, and the number of exports that wait for an answer."""

    port: int
    spans: list[Span] = field(default_factory=list)
    waiting: int = 0

    async def until(self, condition: Callable[[list[Span]], bool]) -> None:
        """Wait until the spans meet the condition.

        Raises:
            TimeoutError: They don't within WAIT_LIMIT_SECONDS.
        """
        async with asyncio.timeout(WAIT_LIMIT_SECONDS):
            while not condition(self.spans):
                await asyncio.sleep(0.02)


@contextlib.asynccontextmanager
async def collector(port: int = 0, *, answers: bool = True) -> AsyncIterator[Collector]:
    """A collector on a port of 127.0.0.1; 0: a free one. Without answers, each export waits for its deadline."""
    received = Collector(0)

    async def export(request: Any, context: object) -> Any:
        del context
        if not answers:
            received.waiting += 1
            await asyncio.Event().wait()
        received.spans.extend(_spans(request))
        return _type("Response")()

    handler = grpc.unary_unary_rpc_method_handler(
        export,
        request_deserializer=_type("Request").FromString,
        response_serializer=lambda response: response.SerializeToString(),
    )
    service, method = _METHOD.removeprefix("/").split("/")
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
    received.port = server.add_insecure_port(f"127.0.0.1:{port}")
    await server.start()
    try:
        yield received
    finally:
        await server.stop(None)


def _spans(request: Any) -> list[Span]:
    found = []
    for of_resource in request.resource_spans:
        (resource,) = of_resource.resource
        service = _attributes(resource).get("service.name", "")
        for span in (span for scope in of_resource.scope_spans for span in scope.spans):
            ids = span.trace_id[0].hex(), b"".join(span.parent_span_id).hex()
            found.append(Span("".join(span.name), *ids, service, _attributes(span)))
    return found


def _attributes(owner: Any) -> dict[str, str]:
    texts = {each.key[0]: [text for value in each.value for text in value.string_value] for each in owner.attributes}
    return {key: "".join(text) for key, text in texts.items()}


def _pool() -> descriptor_pool.DescriptorPool:
    file = FileDescriptorProto(name="otlp.proto", package="otlp", syntax="proto2")
    for message, fields in _MESSAGES.items():
        described = file.message_type.add(name=message)
        for name, number, kind in fields:
            scalar = _SCALARS.get(kind)
            added = described.field.add(name=name, number=number, label=_REPEATED, type=scalar or _MESSAGE)
            if scalar is None:
                added.type_name = f".otlp.{kind}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return pool


_POOL: Final = _pool()


def _type(name: str) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"otlp.{name}"))
