"""What a client may do that ends its stream."""

from enum import StrEnum


class ErrorCode(StrEnum):
    """The names of the gRPC status codes with which the server ends the stream."""

    INVALID_ARGUMENT = "INVALID_ARGUMENT"
    PERMISSION_DENIED = "PERMISSION_DENIED"
    RESOURCE_EXHAUSTED = "RESOURCE_EXHAUSTED"
    UNAVAILABLE = "UNAVAILABLE"


class ProtocolError(Exception):
    """The conversation can't go on: the server ends the stream with `code` and `message`. The session is of no use
    any more.
    """

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
