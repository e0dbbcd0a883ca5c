#!/usr/bin/env bash
# drain.sh SECONDS ADMIN_PORT [HTTPS_PORT]: the preStop hook of Envoy.
#
# 1. From now on each response asks its client to go (`connection: close`, GOAWAY). Listeners stay open, for the load balancer
#    sends new connections until it has noticed, and /ready stays 200, for that is what makes kube-proxy let them through
#    to a terminating Pod: https://github.com/kubernetes/enhancements/tree/master/keps/sig-network/1669-proxy-terminating-endpoints
# 2. SECONDS later new connections go elsewhere.
# 3. The end of the last request, and of the last connection of a TCP port or of TLS passthrough, is the end of the hook,
#    upon which Envoy gets SIGTERM. If it takes too long, terminationGracePeriodSeconds ends it: nobody can ask a client
#    of layer 4 to go. UDP is not waited for: its datagrams go elsewhere with the load balancer.
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

# Requests and connections of clients; those to the stats port don't count. Connections of the HTTPS port without HTTP are
# passed through: Envoy counts all connections by listener.
is_busy() {
  local name value requests=0 connections=0 https=0
  while IFS=': ' read -r name value; do
    case $name in
      http.*.downstream_rq_active) requests=$((requests + value)) ;;
      http.https.downstream_cx_active) https=$((https - value)) ;;
      listener.tcp_*.downstream_cx_active) connections=$((connections + value)) ;;
      listener.*.downstream_cx_active) https=$((https + value)) ;;
    esac
  done < <(admin GET "/stats?filter=$active" | tr -d '\r')
  ((requests > 0 || connections > 0 || https > 0))
}

seconds=$1 port=$2
active='^(http\.https?\.downstream_rq_active|listener\.tcp_.*\.downstream_cx_active'
active+="|http\.https\.downstream_cx_active|listener\..*_${3:-8443}\.downstream_cx_active)$"
admin POST '/drain_listeners?graceful&skip_exit' > /dev/null
sleep "$seconds"
# Twice in a row: a connection that opens or ends between two of the figures is none, or one too many.
while is_busy || { sleep 0.2; is_busy; }; do sleep 1; done
