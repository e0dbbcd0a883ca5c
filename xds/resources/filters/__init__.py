"""HTTP filters, a module each, and the chain of every listener."""
