"""The traffic model: hosts, routes, backends, certificates and endpoints, free of Kubernetes and Envoy."""
