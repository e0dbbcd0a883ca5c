"""Kubernetes objects: decoding, the state made of them, and the part that each change makes stale. Pure."""
