"""States as words and marks, for people. A mark has a shape and a colour: `ok`, `warn`, `bad`, `wait` or `none`."""

from typing import Final, NamedTuple

from xds.api.v1 import debug_pb2 as pb
from xds.server.debug.brief import sync_state


class State(NamedTuple):
    """A word, and the mark beside the word."""

    mark: str
    word: str


UNKNOWN: Final = State("none", "unknown")

ACCEPTANCES: Final = {
    pb.ACCEPTANCE_ACCEPTED: State("ok", "accepted"),
    pb.ACCEPTANCE_PARTLY: State("warn", "partly accepted"),
    pb.ACCEPTANCE_NOT_SERVED: State("bad", "not served"),
    pb.ACCEPTANCE_NOT_OURS: State("none", "not ours"),
}

UNITS: Final = {
    pb.UNIT_STATUS_SERVED: State("ok", "served"),
    pb.UNIT_STATUS_SAME: State("ok", "same as an older one"),
    pb.UNIT_STATUS_NO_ENDPOINTS: State("warn", "no endpoints: 503"),
    pb.UNIT_STATUS_BROKEN: State("bad", "broken: 503"),
    pb.UNIT_STATUS_SHADOWED: State("bad", "shadowed"),
    pb.UNIT_STATUS_LEFT_OUT: State("bad", "left out"),
    pb.UNIT_STATUS_CLOSED: State("bad", "closed"),
}

PORTS: Final = {
    pb.UNIT_STATUS_SERVED: State("ok", "served"),
    pb.UNIT_STATUS_NO_ENDPOINTS: State("warn", "no endpoints"),
    pb.UNIT_STATUS_BROKEN: State("bad", "broken"),
    pb.UNIT_STATUS_SHADOWED: State("bad", "shadowed"),
    pb.UNIT_STATUS_LEFT_OUT: State("bad", "left out"),
}

CONNECTIONS: Final = {
    pb.CONNECTION_FORWARDED: State("ok", "forwarded"),
    pb.CONNECTION_TERMINATED: State("ok", "terminated"),
    pb.CONNECTION_CLOSED: State("bad", "closed"),
    pb.CONNECTION_REFUSED: State("bad", "refused"),
}

ANNOTATIONS: Final = {
    pb.ANNOTATION_STATUS_IN_EFFECT: State("ok", "in effect"),
    pb.ANNOTATION_STATUS_NO_DIFFERENCE: State("ok", "no difference"),
    pb.ANNOTATION_STATUS_CLOSES: State("bad", "closes"),
    pb.ANNOTATION_STATUS_NOT_USED: State("warn", "not used"),
}

DELIVERIES: Final = {
    pb.DELIVERY_STATE_SYNCED: State("ok", "in sync"),
    pb.DELIVERY_STATE_IN_FLIGHT: State("wait", "in flight, without an ACK yet"),
    pb.DELIVERY_STATE_PENDING: State("wait", "not sent yet"),
    pb.DELIVERY_STATE_REJECTED: State("bad", "rejected"),
    pb.DELIVERY_STATE_NOT_SUBSCRIBED: State("wait", "not subscribed yet"),
    pb.DELIVERY_STATE_ON_TRIAL: State("warn", "on trial: other proxies of its build rejected it"),
}

LEVELS: Final = {pb.LEVEL_ERROR: State("bad", "error"), pb.LEVEL_WARNING: State("warn", "warning")}

_SYNC_MARKS: Final = {"rejected": "bad", "on trial": "warn", "in sync": "ok", "sending": "wait"}

VARIANTS: Final = {pb.VARIANT_DELTA: "delta", pb.VARIANT_SOTW: "state of the world"}


def kind(type_url: str) -> str:
    """The name of the type's message, e.g. `Cluster`."""
    return type_url.rpartition(".")[2]


def delivery(type_: pb.ProxyType) -> State:
    """The state of a type at a proxy."""
    word = sync_state(type_)
    return State(_SYNC_MARKS[word], word)


def answer(found: pb.ExplainResponse) -> State:
    """The state of an explained answer, or of the end of a connection."""
    return CONNECTIONS.get(found.connection) or status_code(found.status)


def status_code(status: int) -> State:
    """The state of a status."""
    if status in (200, 204):
        return State("ok", str(status))
    if 300 <= status < 400:
        return State("ok", str(status))
    return State("bad", str(status) if status else "closed")
