"""Hosts and ports that Gateways share with Ingress."""
