"""Retries: of any request that no backend has seen, and of safe requests that a backend left unanswered."""

from datetime import timedelta
from typing import Final

from xds.envoyapi import codec
from xds.envoyapi.messages import (
    AccessLogFilter,
    ComparisonFilter,
    ComparisonFilterOp,
    HeaderMutation,
    HeaderMutationFilter,
    HeaderValue,
    HeaderValueOption,
    HeaderValueOptionHeaderAppendAction,
    HttpFilter,
    Mutations,
    PreviousHostsPredicate,
    ResponseMapper,
    RetryPolicy,
    RetryPolicyRetryBackOff,
    RetryPolicyRetryHostPredicate,
    RuntimeUInt32,
    StatusCodeFilter,
)
from xds.resources.filters.conditional import any_of, filter_unless, header_is, header_matches, negated

MAX_RETRIES: Final = 2

RETRY_ANY_ON: Final = "connect-failure,refused-stream,reset-before-request"
"""Failures before a backend has seen the request, so that a request of any method can be tried again.

Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#x-envoy-retry-on
"""

RETRY_SAFE_ON: Final = "reset"
"""Failures before the first byte of an answer, for requests that do no harm twice."""

SAFE_METHODS: Final = ("GET", "HEAD", "OPTIONS", "TRACE", "DELETE")
"""Idempotent methods that usually have no body: https://www.rfc-editor.org/rfc/rfc9110#section-9.2.2"""

RETRIED_BODY_BYTES: Final = 256 * 1024
"""Most of a request's body that is kept for a retry, until the answer begins. A longer body goes out unretried.

Kept for each upload, so the sum bounds memory. By default, Envoy keeps as much as the buffer of a connection.
"""

RETRY_BACK_OFF: Final = timedelta(milliseconds=1)
"""Longest pause before the first retry, which goes to another endpoint. Envoy's 25 ms would let a fast client send more
than RETRIED_BODY_BYTES during the pause, and end the request.
"""

MAX_RETRY_BACK_OFF: Final = timedelta(milliseconds=10)


def retry_policy() -> RetryPolicy:
    """Retries, each on an endpoint that has not been tried."""
    predicate = RetryPolicyRetryHostPredicate(
        name="envoy.retry_host_predicates.previous_hosts", typed_config=codec.pack(PreviousHostsPredicate())
    )
    return RetryPolicy(
        retry_on=RETRY_ANY_ON,
        num_retries=MAX_RETRIES,
        retry_host_predicate=[predicate],
        host_selection_retry_max_attempts=3,
        retry_back_off=RetryPolicyRetryBackOff(base_interval=RETRY_BACK_OFF, max_interval=MAX_RETRY_BACK_OFF),
    )


def retry_safe_requests() -> HttpFilter:
    """A filter that adds RETRY_SAFE_ON to the retry policy of requests with a method of SAFE_METHODS and no body.

    Backends close idle connections, sometimes at the moment at which a request is sent. A retry policy knows no
    methods, so the filter sets a header that the router reads and removes.
    Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#x-envoy-retry-on
    """
    other_methods = negated(any_of(*(header_is(":method", method) for method in SAFE_METHODS)))
    with_body = (header_matches("content-length", "[0-9]*[1-9][0-9]*"), header_matches("transfer-encoding", ".+"))
    return filter_unless(
        "retry-safe-requests",
        "envoy.filters.http.header_mutation",
        retry_header(RETRY_SAFE_ON),
        any_of(other_methods, *with_body),
    )


def never_507() -> ResponseMapper:
    """Envoy's 507 becomes 503: the first attempt failed, and so much of the body came since that it can't be kept."""
    is_507 = ComparisonFilter(
        op=ComparisonFilterOp.EQ, value=RuntimeUInt32(default_value=507, runtime_key="retry.exceeded")
    )
    return ResponseMapper(
        filter=AccessLogFilter(status_code_filter=StatusCodeFilter(comparison=is_507)), status_code=503
    )


def retry_header(conditions: str) -> HeaderMutationFilter:
    header = HeaderValueOption(
        header=HeaderValue(key="x-envoy-retry-on", value=conditions),
        append_action=HeaderValueOptionHeaderAppendAction.OVERWRITE_IF_EXISTS_OR_ADD,
    )
    return HeaderMutationFilter(mutations=Mutations(request_mutations=[HeaderMutation(append=header)]))
