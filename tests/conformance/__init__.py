"""The Gateway API's own conformance suite against `xds serve`, without a cluster of machines.

`make conformance` builds the suite and runs it on a real API server and a node without containers (tests.support.node);
a real Envoy has the addresses of the Gateways. For one test: `make conformance TEST=HTTPRouteWeight`.
"""
