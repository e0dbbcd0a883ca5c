"""What the fleet should have: encoded resources, versioned by content, and how one revision differs from another."""
