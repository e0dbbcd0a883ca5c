"""The traffic model: frozen values for routes, backends, endpoints and TLS, free of Kubernetes and Envoy.

Front doors translate into the model (xds.translate), xds.resources renders the model as Envoy resources, and
xds.explain matches requests against the model.
"""
