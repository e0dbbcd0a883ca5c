"""Why: explanations of answers to requests, of Ingresses, and of rejected resources. Pure."""
