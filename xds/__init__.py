"""An Envoy control plane for Kubernetes Ingress: ARCHITECTURE.md says how the parts fit together."""
