{{/* The arguments of `xds serve`. */}}
{{- define "xds-ingress.serveArguments" -}}
{{- $values := .Values.controlPlane -}}
{{- $ports := .Values.fleet.containerPorts -}}
- serve
- --in-cluster
{{- range $values.watchNamespaces }}
- --namespace={{ . }}
{{- end }}
# All addresses, of IPv6 and of IPv4. Envoy, unlike the control plane, doesn't start to listen on a node without
# IPv6 (ipv6.disable=1): fleet.listenerAddress is 0.0.0.0 there.
- "--listen=[::]:18000"
# Not loopback: the kubelet asks from outside the Pod.
- "--admin=[::]:18001"
{{- if not $values.ui.enabled }}
- --ui=off
{{- else }}
# The page for browsers stays on its default, 127.0.0.1:18002 of the Pod: kubectl port-forward deploy/NAME 18002
{{- end }}
- "--listener-address={{ .Values.fleet.listenerAddress }}"
{{- if ne (int $ports.http) 8080 }}
- --http-port={{ $ports.http | int }}
{{- end }}
{{- if ne (int $ports.https) 8443 }}
- --https-port={{ $ports.https | int }}
{{- end }}
{{- $http := include "xds-ingress.publicPort" (dict "root" . "name" "http") }}
{{- if ne $http "80" }}
- --public-http-port={{ $http }}
{{- end }}
{{- $https := include "xds-ingress.publicPort" (dict "root" . "name" "https") }}
{{- if ne $https "443" }}
- --public-https-port={{ $https }}
{{- end }}
{{- if ne .Values.ingressClass.controller "xds-ingress.dev/controller" }}
- {{ printf "--controller-name=%s" .Values.ingressClass.controller | toYaml }}
{{- end }}
- --lease-name=$(SERVICE_NAME)
{{- if include "xds-ingress.publishesService" . }}
- --publish-service=$(POD_NAMESPACE)/$(FLEET_SERVICE_NAME)
{{- end }}
{{- range $values.publishAddresses }}
- {{ printf "--publish-address=%s" . | toYaml }}
{{- end }}
{{- if .Values.authz.enabled }}
# In the Pods of the fleet: the container `authz` beside each Envoy.
- --authz=unix:/run/xds/authz.sock
{{- end }}
# The other replicas, asked with the certificate below.
- --peers=$(PEERS_SERVICE_NAME):18000
# The certificates of the control plane, whose replicas ask each other, and of operators (kubectl xds). Those of
# proxies may not read the debug API, and those of operators open no stream of a proxy.
- --tls-operators=$(XDS_TLS_SERVER_NAME)
- --tls-operators=xds-operator
{{- if $values.trafficMetrics }}
- --traffic-metrics
{{- end }}
{{- if $values.redirectHttps }}
- --redirect-https
{{- end }}
{{- with $values.defaultTlsSecret }}
- {{ printf "--default-tls-secret=%s" . | toYaml }}
{{- end }}
{{- with $values.compatibility }}
- --compatibility={{ . }}
{{- end }}
{{- with $values.nginxConfigMap }}
- {{ printf "--nginx-configmap=%s" . | toYaml }}
{{- end }}
{{- range $key := list "tcp" "udp" }}
{{- with include "xds-ingress.servicesConfigMap" (dict "root" $ "key" $key) }}
- {{ printf "--%s-services-configmap=%s" $key . | toYaml }}
{{- end }}
{{- end }}
{{- range $values.exposePorts }}
- --expose-ports={{ . }}
{{- end }}
{{- with .Values.gatewayAPI.className }}
- {{ printf "--gateway-class=%s" . | toYaml }}
{{- end }}
{{- range .Values.gatewayAPI.addresses }}
- {{ printf "--gateway-address=%s" . | toYaml }}
{{- end }}
{{- with .Values.gatewayAPI.services }}
- --gateway-services={{ . }}
{{- end }}
# Those of the fleet's Pods: Envoy's admin and stats ports, and that of `xds authz`.
- --reserved-ports={{ include "xds-ingress.reservedPorts" . }}
{{- if $values.sslPassthrough }}
- --enable-ssl-passthrough
{{- end }}
{{- with $values.hostOwnership }}
- --host-ownership={{ . }}
{{- end }}
{{- if ne $values.logLevel "info" }}
- --log-level={{ $values.logLevel }}
{{- end }}
{{- if ne $values.logFormat "auto" }}
- --log-format={{ $values.logFormat }}
{{- end }}
{{- range $values.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end -}}
