"""The traffic model: frozen values for routes, backends, endpoints and TLS, free of Kubernetes and Envoy.

xds.translate makes the model from Kubernetes objects, xds.resources renders the model as Envoy resources, and
xds.explain matches requests against the model.
"""
