"""The report before a switch from ingress-nginx: differences of each Ingress, of the ConfigMap and of the flags."""
