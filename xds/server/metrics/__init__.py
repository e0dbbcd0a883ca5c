"""Metrics of `xds serve` for Prometheus, a module a concern. docs/metrics.md lists all of them."""
