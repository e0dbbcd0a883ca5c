"""What the fleet should have: encoded resources with content-hash versions, and how one revision differs from another."""
