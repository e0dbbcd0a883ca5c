"""A Kubernetes API server: a list and a watch for each kind and namespace."""
