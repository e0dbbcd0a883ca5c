"""NACKs: the rejected resources, their bisection, and the last good versions."""
