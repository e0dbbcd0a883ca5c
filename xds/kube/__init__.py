"""What we know: Kubernetes objects, the state made of them, and the sources they come from."""
