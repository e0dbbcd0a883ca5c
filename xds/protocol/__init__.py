"""One proxy's ADS conversation as a state machine without I/O: requests in, responses out, time as an argument.

Delta and state of the world share it. `session.Session` is the way in; `fleet.Fleet` is what the sessions of one
server have in common. The rules come from https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol.
"""
