{{/* Values that are valid each, but not together. What one value alone may be is in values.schema.json. */}}
{{- define "xds-ingress.validate" -}}
{{- $fleet := .Values.fleet -}}
{{- $service := $fleet.service -}}
{{- $daemonSet := eq $fleet.kind "DaemonSet" -}}
{{- if and $daemonSet $fleet.autoscaling.enabled -}}
{{- fail "fleet.autoscaling.enabled: a DaemonSet has one Pod for each node; set fleet.kind to Deployment, or switch autoscaling off" -}}
{{- end -}}
{{- if $fleet.autoscaling.enabled -}}
{{- if gt (int $fleet.autoscaling.minReplicas) (int $fleet.autoscaling.maxReplicas) -}}
{{- fail "fleet.autoscaling.minReplicas is more than fleet.autoscaling.maxReplicas; lower the one or raise the other" -}}
{{- end -}}
{{- if not (or $fleet.autoscaling.targetCPUUtilizationPercentage $fleet.autoscaling.targetMemoryUtilizationPercentage) -}}
{{- fail "fleet.autoscaling: has no target; set targetCPUUtilizationPercentage or targetMemoryUtilizationPercentage" -}}
{{- end -}}
{{- end -}}
{{- if and $fleet.hostNetwork $fleet.hostPorts.enabled -}}
{{- fail "fleet.hostPorts.enabled: with fleet.hostNetwork the ports of the container are the node's; set fleet.containerPorts, and fleet.hostPorts.enabled to false" -}}
{{- end -}}
{{- $ports := list (int $fleet.containerPorts.http) (int $fleet.containerPorts.https) (int $fleet.adminPort) (int $fleet.statsPort) 18003 -}}
{{- if ne (len $ports) (len (uniq $ports)) -}}
{{- fail "fleet.containerPorts, fleet.adminPort and fleet.statsPort: all ports of a Pod must differ, from 18003 of xds authz, too" -}}
{{- end -}}
{{- if and $fleet.hostPorts.enabled (eq (int $fleet.hostPorts.http) (int $fleet.hostPorts.https)) -}}
{{- fail "fleet.hostPorts: http and https must differ" -}}
{{- end -}}
{{- if eq (int $service.ports.http.port) (int $service.ports.https.port) -}}
{{- fail "fleet.service.ports: the ports of http and https must differ" -}}
{{- end -}}
{{- $strategy := ($fleet.updateStrategy).rollingUpdate | default dict -}}
{{- if and $daemonSet (include "xds-ingress.onNodePorts" .) (ne (toString ($strategy.maxSurge | default 0)) "0") -}}
{{- fail "fleet.updateStrategy.rollingUpdate.maxSurge: must be 0 for a DaemonSet with ports of its nodes, which the new Pod can't have before the old one has gone" -}}
{{- end -}}
{{- if ge (int $fleet.drainSeconds) (int $fleet.terminationGracePeriodSeconds) -}}
{{- fail "fleet.drainSeconds: must be less than fleet.terminationGracePeriodSeconds, or Envoy is killed before its last requests have ended" -}}
{{- end -}}
{{- if $service.enabled -}}
{{- if ne $service.type "LoadBalancer" -}}
{{- range list "loadBalancerClass" "loadBalancerIP" "loadBalancerSourceRanges" -}}
{{- if get $service . -}}
{{- fail (printf "fleet.service.%s: only a Service of type LoadBalancer has it; set fleet.service.type to LoadBalancer, or remove it" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (eq $service.type "ClusterIP") (or $service.ports.http.nodePort $service.ports.https.nodePort) -}}
{{- fail "fleet.service.ports: a Service of type ClusterIP has no nodePort; set fleet.service.type to NodePort or LoadBalancer, or remove it" -}}
{{- end -}}
{{- end -}}
{{- include "xds-ingress.validateLayer4" . -}}
{{- include "xds-ingress.validateGatewayAPI" . -}}
{{- $owners := dict "namespace" "controlPlane.watchNamespaces" "ingress-class" "ingressClass.name" "controller-name" "ingressClass.controller" -}}
{{- $owners = merge $owners (dict "http-port" "fleet.containerPorts" "https-port" "fleet.containerPorts" "listener-address" "fleet.listenerAddress") -}}
{{- $owners = merge $owners (dict "publish-service" "controlPlane.publishService" "publish-address" "controlPlane.publishAddresses" "ui" "controlPlane.ui.enabled") -}}
{{- $owners = merge $owners (dict "default-tls-secret" "controlPlane.defaultTlsSecret" "nginx-configmap" "controlPlane.nginxConfigMap" "authz" "authz.enabled") -}}
{{- $owners = merge $owners (dict "tcp-services-configmap" "tcp or controlPlane.tcpServicesConfigMap" "udp-services-configmap" "udp or controlPlane.udpServicesConfigMap") -}}
{{- $owners = merge $owners (dict "expose-ports" "controlPlane.exposePorts" "reserved-ports" "controlPlane.reservedPorts") -}}
{{- $owners = merge $owners (dict "gateway-class" "gatewayAPI.className" "gateway-address" "gatewayAPI.addresses" "gateway-services" "gatewayAPI.services") -}}
{{- range .Values.controlPlane.extraArgs -}}
{{- $flag := first (splitList "=" .) | trimPrefix "--" -}}
{{- if hasKey $owners $flag -}}
{{- fail (printf "controlPlane.extraArgs: --%s has consequences in other objects; set %s instead" $flag (get $owners $flag)) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.ingressClass.create (not .Values.ingressClass.name) -}}
{{- fail "ingressClass.create: needs ingressClass.name; give a name, or set create to false to serve every IngressClass of ingressClass.controller" -}}
{{- end -}}
{{- if and .Values.ingressClass.default (not .Values.ingressClass.create) -}}
{{- fail "ingressClass.default: only with ingressClass.create; else annotate your IngressClass with ingressclass.kubernetes.io/is-default-class: \"true\"" -}}
{{- end -}}
{{- range $path, $account := dict "controlPlane" .Values.controlPlane.serviceAccount "fleet" $fleet.serviceAccount -}}
{{- if not (or $account.create $account.name) -}}
{{- fail (printf "%s.serviceAccount.name: must be the name of a ServiceAccount of yours, because %s.serviceAccount.create is false" $path $path) -}}
{{- end -}}
{{- end -}}
{{- if gt (int .Values.tls.generated.validityDays) (int .Values.tls.generated.caValidityDays) -}}
{{- fail "tls.generated.validityDays: must be at most tls.generated.caValidityDays, or certificates outlive their authority" -}}
{{- end -}}
{{- if not (regexMatch "^[a-z]" (include "xds-ingress.fullname" .)) -}}
{{- fail (printf "fullnameOverride: set a name that begins with a letter, as names of Services do; that of release %q begins with a digit" .Release.Name) -}}
{{- end -}}
{{- if eq (include "xds-ingress.fleet" .) (include "xds-ingress.fullname" .) -}}
{{- fail "fleet.fullnameOverride: must differ from the name of the control plane's objects (fullnameOverride)" -}}
{{- end -}}
{{- if and .Values.monitoring.podMonitors.enabled .Values.networkPolicy.enabled (not .Values.networkPolicy.metricsFrom) -}}
{{- fail "monitoring.podMonitors.enabled: needs networkPolicy.metricsFrom, or Prometheus can't reach the Pods; say where it runs: [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: monitoring}}}]" -}}
{{- end -}}
{{- end -}}
