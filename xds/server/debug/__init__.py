"""The debug API over gRPC: snapshots, proxies, problems, Ingresses and explanations.

`Answers` has the answers, `DebugService` wraps them with gRPC, and the page asks them without. `messages`, `rendering`,
`explanation_messages` and `overview_messages` turn values of the control plane into messages of the API. All but the
last also serve the command line offline.
"""
