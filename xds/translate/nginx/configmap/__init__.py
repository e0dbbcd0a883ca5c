"""ingress-nginx's ConfigMap: a module a section of its keys, each key with its effect here."""
