"""From Kubernetes objects to the traffic model: hosts, routes, backends, certificates, endpoints and problems."""
