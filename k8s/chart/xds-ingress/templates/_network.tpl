{{/* Who may read metrics: Pods of the own namespace, and networkPolicy.metricsFrom. */}}
{{- define "xds-ingress.metricsFrom" -}}
- podSelector: {} # of this namespace
{{- with .Values.networkPolicy.metricsFrom }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* DNS. 5353 is the Pods' own port on OpenShift, which network plugins compare. */}}
{{- define "xds-ingress.dnsRule" -}}
- ports:
    {{- range $port := list 53 5353 }}
    - port: {{ $port }}
      protocol: UDP
    - port: {{ $port }}
      protocol: TCP
    {{- end }}
  {{- with .Values.networkPolicy.dns }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
