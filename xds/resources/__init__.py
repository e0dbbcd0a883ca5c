"""Envoy's resources, built from the traffic model: a module for each resource type."""
