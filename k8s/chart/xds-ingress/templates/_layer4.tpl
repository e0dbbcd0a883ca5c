{{/* The ports of layer 4 at the fleet's Service, in JSON: those of the values tcp and udp, then fleet.service.extraPorts. */}}
{{- define "xds-ingress.layer4ServicePorts" -}}
{{- $ports := list -}}
{{- range $protocol := list "TCP" "UDP" -}}
{{- $key := lower $protocol -}}
{{- range $number, $_ := get $.Values $key | default dict -}}
{{- $port := dict "name" (printf "%s-%s" $key $number) "port" (atoi $number) "targetPort" (atoi $number) "protocol" $protocol -}}
{{- with get (get $.Values.fleet.service.nodePorts $key | default dict) $number -}}
{{- $_ := set $port "nodePort" (int .) -}}
{{- end -}}
{{- $ports = append $ports $port -}}
{{- end -}}
{{- end -}}
{{- range .Values.fleet.service.extraPorts -}}
{{- $ports = append $ports (merge (dict) . (dict "targetPort" .port "protocol" "TCP")) -}}
{{- end -}}
{{- $ports | toJson -}}
{{- end -}}

{{/* The ports of layer 4 at a Service, in YAML. Arguments: ports, protocols. */}}
{{- define "xds-ingress.portsOf" -}}
{{- range .ports }}
{{- if has .protocol $.protocols }}
- name: {{ .name | toYaml }}
  port: {{ .port | int }}
  targetPort: {{ .targetPort | int }}
  protocol: {{ .protocol }}
  {{- with .nodePort }}
  nodePort: {{ . | int }}
  {{- end }}
  {{- with .appProtocol }}
  appProtocol: {{ toYaml . }}
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What a NetworkPolicy opens for layer 4, in YAML: the ports of Envoy, and the ranges of controlPlane.exposePorts without
reserved ports, among which are those of metrics. */}}
{{- define "xds-ingress.layer4Policy" -}}
{{- $padded := list -}}
{{- range include "xds-ingress.reservedPorts" . | splitList "," -}}
{{- $padded = append $padded (printf "%05d" (atoi .)) -}}
{{- end -}}
{{- $reserved := list -}}
{{- range sortAlpha $padded -}}
{{- $reserved = append $reserved (atoi (trimPrefix "0" (trimPrefix "0" (trimPrefix "0" (trimPrefix "0" .))))) -}}
{{- end -}}
{{- $seen := dict -}}
{{- range include "xds-ingress.layer4ServicePorts" . | fromJsonArray }}
{{- $port := printf "%d/%s" (int .targetPort) .protocol }}
{{- if not (hasKey $seen $port) }}
- port: {{ .targetPort | int }}
  protocol: {{ .protocol }}
{{- end }}
{{- $_ := set $seen $port true }}
{{- end }}
{{- range .Values.controlPlane.exposePorts }}
{{- $ports := regexFind "^[0-9-]+" . | splitList "-" }}
{{- $protocol := regexFind "/(tcp|udp)=" . | trimPrefix "/" | trimSuffix "=" | upper }}
{{- range ternary (list $protocol) (list "TCP" "UDP") (ne $protocol "") }}
{{- $from := first $ports | int }}
{{- $to := last $ports | int }}
{{- range ternary $reserved list (eq . "TCP") }}
{{- if and (ge . $from) (le . $to) }}
{{- include "xds-ingress.policyRange" (dict "from" $from "to" (sub . 1) "protocol" "TCP") }}
{{- $from = add1 . | int }}
{{- end }}
{{- end }}
{{- include "xds-ingress.policyRange" (dict "from" $from "to" $to "protocol" .) }}
{{- end }}
{{- end }}
{{- end -}}

{{/* What a NetworkPolicy opens for Gateways, in YAML: gatewayAPI.ports, and the target ports of gatewayAPI.services. */}}
{{- define "xds-ingress.gatewayPolicy" -}}
{{- range .Values.gatewayAPI.ports }}
{{- $parts := splitList "/" (toString .) }}
{{- $port := first $parts | int }}
{{- include "xds-ingress.policyRange" (dict "from" $port "to" $port "protocol" (ternary "UDP" "TCP" (eq (last $parts) "udp"))) }}
{{- end }}
{{- with .Values.gatewayAPI.services }}
{{- $ports := splitList "-" . }}
{{- range list "TCP" "UDP" }}
{{- include "xds-ingress.policyRange" (dict "from" (first $ports | int) "to" (last $ports | int) "protocol" .) }}
{{- end }}
{{- end }}
{{- end -}}

{{/* A range of ports as an item of a NetworkPolicy; nothing for an empty one. Arguments: from, to, protocol. */}}
{{- define "xds-ingress.policyRange" }}
{{- if le (int .from) (int .to) }}
- port: {{ .from }}
  {{- if lt (int .from) (int .to) }}
  endPort: {{ .to }}
  {{- end }}
  protocol: {{ .protocol }}
{{- end }}
{{- end -}}

{{/* The ConfigMap of --tcp-services-configmap or --udp-services-configmap, as the flag has it; "" is none. Arguments: root,
key ("tcp" or "udp"). */}}
{{- define "xds-ingress.servicesConfigMap" -}}
{{- if get .root.Values .key -}}
{{- printf "$(POD_NAMESPACE)/%s-%s" (include "xds-ingress.fullname" .root) .key -}}
{{- else -}}
{{- get .root.Values.controlPlane (printf "%sServicesConfigMap" .key) -}}
{{- end -}}
{{- end -}}

{{/* TCP ports that nobody may claim, separated by commas: those of the fleet's Pods, and controlPlane.reservedPorts. */}}
{{- define "xds-ingress.reservedPorts" -}}
{{- $fleet := .Values.fleet -}}
{{- $own := list (int $fleet.adminPort) (int $fleet.statsPort) -}}
{{- if .Values.authz.enabled -}}
{{- $own = append $own 18003 -}}
{{- end -}}
{{- range .Values.controlPlane.reservedPorts -}}
{{- $own = append $own (int .) -}}
{{- end -}}
{{- uniq $own | join "," -}}
{{- end -}}

{{/* The security context of the fleet's Pods, with the right to ports below 1024. In the network of a node, the kubelet
rejects the sysctl: https://kubernetes.io/docs/tasks/administer-cluster/sysctl-cluster/#safe-and-unsafe-sysctls */}}
{{- define "xds-ingress.fleetSecurityContext" -}}
{{- $context := .Values.fleet.podSecurityContext | default dict -}}
{{- $sysctls := $context.sysctls | default list -}}
{{- $names := list -}}
{{- range $sysctls -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- $start := "net.ipv4.ip_unprivileged_port_start" -}}
{{- if and .Values.fleet.lowPorts (not .Values.fleet.hostNetwork) (not (has $start $names)) -}}
{{- $sysctls = append $sysctls (dict "name" $start "value" "0") -}}
{{- end -}}
{{- toYaml (merge (dict) (ternary (dict "sysctls" $sysctls) (dict) (gt (len $sysctls) 0)) $context) -}}
{{- end -}}
