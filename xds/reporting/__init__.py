"""Writing back to the API server: Ingress status and Events, by the holder of a Lease."""
