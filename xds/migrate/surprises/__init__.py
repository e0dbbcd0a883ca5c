"""Effects of ingress-nginx that nobody wrote into an Ingress: a small rule each."""
