{{/* The spec of a Service of the fleet, without ports. Arguments: root, component, loadBalancerIP. */}}
{{- define "xds-ingress.fleetServiceSpec" -}}
{{- with .root.Values.fleet.service -}}
type: {{ .type }}
{{- if ne .type "ClusterIP" }}
# Local keeps the client's address, and the load balancer's health checks see at once when a node's Envoy is about to go.
externalTrafficPolicy: {{ .externalTrafficPolicy }}
{{- end }}
{{- with .loadBalancerClass }}
loadBalancerClass: {{ toYaml . }}
{{- end }}
{{- with $.loadBalancerIP }}
loadBalancerIP: {{ toYaml . }}
{{- end }}
{{- with .loadBalancerSourceRanges }}
loadBalancerSourceRanges:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .externalIPs }}
externalIPs:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .ipFamilyPolicy }}
ipFamilyPolicy: {{ . }}
{{- end }}
{{- with .ipFamilies }}
ipFamilies:
  {{- toYaml . | nindent 2 }}
{{- end }}
selector:
  {{- include "xds-ingress.selector" $ | nindent 2 }}
{{- end -}}
{{- end -}}
