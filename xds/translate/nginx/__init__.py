"""The front door for annotations of ingress-nginx: a registry, and a module for each family of annotations.

An annotation is parsed once, here, into values of the traffic model. No later stage reads an annotation.
"""
