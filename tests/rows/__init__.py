"""Cases with the recorded answers of a real ingress-nginx 1.15.1, sent to a real Envoy."""
