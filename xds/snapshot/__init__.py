"""Snapshots: encoded resources with versions by content, and the revisions between snapshots."""
