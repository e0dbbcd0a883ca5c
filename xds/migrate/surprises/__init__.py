"""What ingress-nginx does to an Ingress although nobody wrote it: a small rule each."""
