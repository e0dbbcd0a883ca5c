"""Limits of HTTP on both sides of a proxy: to clients and to backends.

docs/design/envoy-defaults.md has the memory that a hostile client can take.
"""

from typing import Final

CONNECTION_BUFFER_BYTES: Final = 32 * 1024
"""Soft limit of the data that waits in one connection, or in one stream of HTTP/2.

Source: https://www.envoyproxy.io/docs/envoy/latest/configuration/best_practices/edge
"""

MAX_HEADERS: Final = 1000
"""Headers of a message at most; 60 KiB together. Envoy's default of 100 breaks applications: by HTTP/2, browsers send
each cookie as a header of its own. ingress-nginx counts bytes only.
"""

CLIENT_STREAM_WINDOW_BYTES: Final = 4 * 1024 * 1024
"""Bytes that a client may send on one stream of HTTP/2 before any is read: 300 Mbit/s at a round trip of 100 ms.

About as much as Linux grants to a TCP connection (tcp_rmem), so an upload is as fast by HTTP/2 as by HTTP/1.1.
"""

BACKEND_STREAM_WINDOW_BYTES: Final = 256 * 1024
"""Bytes that a backend may send on one stream before any is read: 1 Gbit/s at a round trip of 2 ms.

Less than for clients: a client that asks for large answers and reads none fills these windows at no cost.
"""

CONNECTION_WINDOW_BYTES: Final = 16 * 1024 * 1024
"""Of all streams of a connection together."""
