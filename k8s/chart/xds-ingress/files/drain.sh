#!/usr/bin/env bash
# drain.sh SECONDS ADMIN_PORT: the preStop hook of Envoy.
#
# 1. From now on each response asks its client to go (`connection: close`, GOAWAY). Listeners stay open, for the load balancer
#    sends new connections until it has noticed, and /ready stays 200, for that is what makes kube-proxy let them through
#    to a terminating Pod: https://github.com/kubernetes/enhancements/tree/master/keps/sig-network/1669-proxy-terminating-endpoints
# 2. SECONDS later new connections go elsewhere.
# 3. The end of the last request is the end of the hook, upon which Envoy gets SIGTERM. If it takes too long,
#    terminationGracePeriodSeconds ends it.
#
# Envoy's image has neither curl nor wget, so bash itself asks:
# https://www.envoyproxy.io/docs/envoy/latest/operations/admin#post--drain_listeners
set -euo pipefail

admin() { # METHOD PATH
  exec 3<>"/dev/tcp/127.0.0.1/$port"
  printf '%s %s HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n' "$1" "$2" >&3
  cat <&3
  exec 3>&-
}

has_requests() { # of clients; those to the stats port don't count
  [[ $(admin GET '/stats?filter=^http\.https?\.downstream_rq_active$') == *'_active: '[1-9]* ]]
}

seconds=$1 port=$2
admin POST '/drain_listeners?graceful&skip_exit' > /dev/null
sleep "$seconds"
while has_requests; do sleep 1; done
