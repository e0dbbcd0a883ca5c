"""A Kubernetes API server as a source: a list and a watch for each kind and namespace."""
