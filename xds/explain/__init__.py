"""Why a request gets the answer it gets, and what becomes of an Ingress: told from what the other stages hold. Pure."""
