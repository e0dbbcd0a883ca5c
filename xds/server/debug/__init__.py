"""The debug API over gRPC: snapshots, proxies, problems and explanations.

`messages`, `explanations` and `rendering` turn values of the control plane into messages of the API. The command line
uses these three modules offline.
"""
