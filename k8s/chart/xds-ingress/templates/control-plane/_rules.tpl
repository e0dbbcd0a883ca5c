{{/* What the control plane may do with objects of namespaces: exactly what it does (tests/cluster/test_manifests.py holds
the two against each other). */}}
{{- define "xds-ingress.rules" -}}
# What traffic is made of.
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [services]
  verbs: [list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [list, watch]
# Certificates. RBAC can't say "those that Ingresses name": who can't grant all Secrets narrows by namespace
# (controlPlane.watchNamespaces).
- apiGroups: [""]
  resources: [secrets]
  verbs: [list, watch]
# What it reports: the address that Ingresses are reachable at, and problems.
- apiGroups: [networking.k8s.io]
  resources: [ingresses/status]
  verbs: [patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [list, create, patch]
{{- if .Values.gatewayAPI.enabled }}
# The Gateway API, where its CustomResourceDefinitions are installed.
- apiGroups: [gateway.networking.k8s.io]
  resources:
    {{- range concat (include "xds-ingress.gatewayStatusKinds" . | splitList ",") (list "referencegrants") }}
    - {{ . }}
    {{- end }}
  verbs: [list, watch]
- apiGroups: [gateway.networking.k8s.io]
  resources:
    {{- range include "xds-ingress.gatewayStatusKinds" . | splitList "," }}
    - {{ . }}/status
    {{- end }}
  verbs: [patch]
{{- end }}
{{- end -}}

{{/* The kinds of the Gateway API in namespaces whose objects have a status, separated by commas. */}}
{{- define "xds-ingress.gatewayStatusKinds" -}}
gateways,listenersets,httproutes,grpcroutes,tlsroutes,tcproutes,udproutes,backendtlspolicies
{{- end -}}

{{/* A binding's roleRef and subjects. Arguments: root, kind, name. */}}
{{- define "xds-ingress.binds" -}}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: {{ .kind }}
  name: {{ .name | toYaml }}
subjects:
  - kind: ServiceAccount
    name: {{ include "xds-ingress.serviceAccountName" .root | toYaml }}
    namespace: {{ .root.Release.Namespace | toYaml }}
{{- end -}}

{{/* The names of the ConfigMaps that flags name, by namespace, in JSON. */}}
{{- define "xds-ingress.configMapNames" -}}
{{- $names := dict -}}
{{- $flags := list .Values.controlPlane.nginxConfigMap -}}
{{- range $key := list "tcp" "udp" -}}
{{- $flags = append $flags (include "xds-ingress.servicesConfigMap" (dict "root" $ "key" $key)) -}}
{{- end -}}
{{- range $flags -}}
{{- $parts := . | replace "$(POD_NAMESPACE)" $.Release.Namespace | splitList "/" -}}
{{- if eq (len $parts) 2 -}}
{{- $_ := set $names (first $parts) (append (get $names (first $parts) | default list) (last $parts) | uniq) -}}
{{- end -}}
{{- end -}}
{{- $names | toJson -}}
{{- end -}}

{{/* The metadata of a cluster-scoped object. Arguments: root, component, name. */}}
{{- define "xds-ingress.clusterMetadata" -}}
name: {{ .name | toYaml }}
labels:
  {{- include "xds-ingress.labels" . | nindent 2 }}
{{- end -}}
