"""The route table: the promises of Ingresses for a request, as data.

A table is a few Ingresses that exist together and the requests on them. The pure matcher (tests/explain) and a real
Envoy (tests/e2e) run the table. A Service has one port, 80, and ready endpoints; its name tells which Service answered,
so names are unique within a table whatever the namespace.

Source: https://kubernetes.io/docs/concepts/services-networking/ingress/ and types.go of networking/v1. The rows of the
specification's own table of examples are in `EXAMPLES`; docs/ingress.md decides open points.
"""

from tests.support.route_case import Case, Table
from tests.support.route_table_annotations import (
    CANARIES,
    CANARIES_AND_PROTECTION,
    NAMED_BACKENDS,
    PROTECTED,
    REDIRECTS,
    REGEX,
    UNPROTECTED,
    UPSTREAMS,
)
from tests.support.route_table_client_certificates import CHECKED, CHECKED_BY_DEFAULT
from tests.support.route_table_compatibility import SLASHES
from tests.support.route_table_cors import CORS, CORS_HTTPS
from tests.support.route_table_host_names import ALIASES, ALIASES_REDIRECTED, ALIASES_TLS, WWW
from tests.support.route_table_http import (
    BACKENDS,
    DEFAULTS,
    EXAMPLES,
    HOSTS,
    KEPT_SLASHES,
    MERGING,
    NO_FALLBACK,
    NORMALIZATION,
    PATHS,
    UNNAMED_DEFAULT,
)
from tests.support.route_table_https import HTTPS_BY_ANNOTATION, HTTPS_BY_ANNOTATION_AND_FLAG, HTTPS_BY_DEFAULT
from tests.support.route_table_passthrough import PASSTHROUGH
from tests.support.route_table_sessions import SESSIONS
from tests.support.route_table_tls import TLS, TLS_CHALLENGES, TLS_DEFAULT, TLS_REDIRECT, TLS_UNNAMED

__all__ = ["TABLES", "Case", "Table"]

TABLES = (
    CHECKED,
    CHECKED_BY_DEFAULT,
    EXAMPLES,
    PATHS,
    NORMALIZATION,
    KEPT_SLASHES,
    HOSTS,
    NO_FALLBACK,
    DEFAULTS,
    UNNAMED_DEFAULT,
    MERGING,
    BACKENDS,
    TLS,
    TLS_DEFAULT,
    TLS_UNNAMED,
    TLS_REDIRECT,
    TLS_CHALLENGES,
    PASSTHROUGH,
    SLASHES,
    REDIRECTS,
    REGEX,
    PROTECTED,
    UNPROTECTED,
    CANARIES,
    CANARIES_AND_PROTECTION,
    SESSIONS,
    NAMED_BACKENDS,
    UPSTREAMS,
    HTTPS_BY_ANNOTATION,
    HTTPS_BY_ANNOTATION_AND_FLAG,
    HTTPS_BY_DEFAULT,
    ALIASES,
    ALIASES_TLS,
    ALIASES_REDIRECTED,
    WWW,
    CORS,
    CORS_HTTPS,
)
