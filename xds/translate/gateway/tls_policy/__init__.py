"""BackendTLSPolicies: TLS from proxies to Services."""
