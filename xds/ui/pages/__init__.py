"""The pages: each asks for messages of the debug API, and turns them into the variables of a template."""
