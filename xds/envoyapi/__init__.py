"""Envoy's API in Python: typed messages, their bytes, and the rules that Envoy validates."""
