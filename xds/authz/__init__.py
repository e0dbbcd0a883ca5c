"""`xds authz`: checks passwords for the Envoy beside it, by gRPC. A process of its own, without state on disk."""
