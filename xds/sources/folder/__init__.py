"""Kubernetes manifests in a folder, watched for changes."""
