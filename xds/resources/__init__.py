"""From the traffic model to Envoy's messages, encoded: a module a resource type."""
