"""The Gateway API: from Gateways and routes to bound listeners, route tables, and the status of each object."""
