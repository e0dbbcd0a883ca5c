"""From the rules of routes to routes of the traffic model."""
