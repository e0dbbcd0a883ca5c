"""The product's own annotations, `xds-ingress.dev/NAME`: of Ingresses, and of Services."""
