"""The debug API: snapshots, proxies, problems and explanations, over gRPC."""
