"""Bad input as a value: the object, the field, the reason, and the remedy."""
