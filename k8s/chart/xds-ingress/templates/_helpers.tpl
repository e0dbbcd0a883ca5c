{{/* The name of the installation: at most 50 characters, so that the names of Services that begin with it have at most
63. A longer name ends with a hash, so that long names that differ at the end only stay different. Names of releases may
have dots, those of Services none. */}}
{{- define "xds-ingress.fullname" -}}
{{- $base := .Values.nameOverride | default .Chart.Name -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name $base) (contains $base .Release.Name) | replace "." "-" -}}
{{- include "xds-ingress.short" (.Values.fullnameOverride | default $name) -}}
{{- end -}}

{{- define "xds-ingress.short" -}}
{{- if le (len .) 50 -}}
{{- . | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" (. | trunc 41 | trimSuffix "-") (. | sha256sum | trunc 8) -}}
{{- end -}}
{{- end -}}

{{- define "xds-ingress.fleet" -}}
{{- if .Values.fleet.fullnameOverride -}}
{{- include "xds-ingress.short" .Values.fleet.fullnameOverride -}}
{{- else -}}
{{- printf "%s-envoy" (include "xds-ingress.fullname" .) -}}
{{- end -}}
{{- end -}}

{{/* The name of cluster-scoped objects, and of those in watched namespaces: two releases of one name in two namespaces. */}}
{{- define "xds-ingress.global" -}}
{{- printf "%s-%s" .Release.Namespace (include "xds-ingress.fullname" .) -}}
{{- end -}}

{{/* The labels that selectors use. Arguments: root, component ("control-plane" or "proxy"). */}}
{{- define "xds-ingress.selector" -}}
app.kubernetes.io/name: {{ ternary "envoy" "xds-ingress" (eq .component "proxy") }}
app.kubernetes.io/instance: {{ .root.Release.Name | toYaml }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* The labels of Pods. Services that are labelled part-of: xds-ingress are no authorizers of Ingresses (docs/security.md). */}}
{{- define "xds-ingress.podLabels" -}}
{{ include "xds-ingress.selector" . }}
app.kubernetes.io/part-of: xds-ingress
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The labels of objects. Pods don't have those of the chart, for a change would replace them. */}}
{{- define "xds-ingress.labels" -}}
{{ include "xds-ingress.podLabels" . }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{/* The metadata of a namespaced object. Arguments: root, component, name; namespace, labels and annotations, if any. */}}
{{- define "xds-ingress.metadata" -}}
name: {{ .name | toYaml }}
namespace: {{ .namespace | default .root.Release.Namespace | toYaml }}
labels:
  {{- include "xds-ingress.labels" . | nindent 2 }}
  {{- with .labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The labels and annotations of a Pod. Arguments: root, component, values, annotations. */}}
{{- define "xds-ingress.podMetadata" -}}
labels:
  {{- include "xds-ingress.podLabels" . | nindent 2 }}
  {{- with .values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with merge (dict) .values.podAnnotations (.annotations | default dict) }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Where Pods run. Arguments: root, component, values, spread (false: one Pod for each node anyway). */}}
{{- define "xds-ingress.scheduling" -}}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.priorityClassName }}
priorityClassName: {{ toYaml . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if .values.affinity }}
affinity:
  {{- toYaml .values.affinity | nindent 2 }}
{{- else if .spread }}
# Preferred and not required: a cluster of one node can have all of them.
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
              {{- include "xds-ingress.selector" . | nindent 14 }}
{{- end }}
{{- if .values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- toYaml .values.topologySpreadConstraints | nindent 2 }}
{{- else if .spread }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: topology.kubernetes.io/zone
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "xds-ingress.selector" . | nindent 8 }}
{{- end }}
{{- end -}}

{{/* What https://kubernetes.io/docs/concepts/security/pod-security-standards/#restricted asks of a container, and a root
that is read only. */}}
{{- define "xds-ingress.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* An image by tag or by digest. Arguments: image, tag (if the image has none). */}}
{{- define "xds-ingress.image" -}}
{{- if .image.digest -}}
{{- printf "%s@%s" .image.repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" .image.repository (.image.tag | default .tag) -}}
{{- end -}}
{{- end -}}

{{- define "xds-ingress.ownImage" -}}
image: {{ include "xds-ingress.image" (dict "image" .Values.image "tag" .Chart.AppVersion) | toYaml }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end -}}

{{- define "xds-ingress.serviceAccountName" -}}
{{- .Values.controlPlane.serviceAccount.name | default (include "xds-ingress.fullname" .) -}}
{{- end -}}

{{- define "xds-ingress.fleetServiceAccountName" -}}
{{- .Values.fleet.serviceAccount.name | default (include "xds-ingress.fleet" .) -}}
{{- end -}}

{{/* The Secret of a certificate. Arguments: root, use ("server", "client" or "operator"). */}}
{{- define "xds-ingress.secret" -}}
{{- $own := printf "%s-%s-tls" (include "xds-ingress.fullname" .root) .use -}}
{{- if eq .root.Values.tls.mode "existing" -}}
{{- get .root.Values.tls.existing (printf "%sSecret" .use) | default $own -}}
{{- else -}}
{{- $own -}}
{{- end -}}
{{- end -}}

{{/* The name that clients of the control plane verify: without its namespace, so that a rendered manifest works in any. It
differs from the node cluster, for a name of --tls-operators counts for no proxy (docs/security.md). */}}
{{- define "xds-ingress.serverName" -}}
{{- include "xds-ingress.fullname" . }}-server
{{- end -}}

{{/* All names of the server's certificate, in JSON. */}}
{{- define "xds-ingress.serverNames" -}}
{{- $service := printf "%s.%s.svc" (include "xds-ingress.fullname" .) .Release.Namespace -}}
{{- list (include "xds-ingress.serverName" .) $service | toJson -}}
{{- end -}}

{{/* The own namespace, for texts that name it: by the downward API, so that a rendered manifest works in any. */}}
{{- define "xds-ingress.namespaceVariable" -}}
- name: POD_NAMESPACE
  valueFrom:
    fieldRef:
      fieldPath: metadata.namespace
{{- end -}}

{{/* Does the fleet take ports of its nodes? Then two of its Pods can't be on one node. "" is no. */}}
{{- define "xds-ingress.onNodePorts" -}}
{{- if or .Values.fleet.hostNetwork .Values.fleet.hostPorts.enabled -}}yes{{- end -}}
{{- end -}}

{{/* Is the address of the fleet's Service the status of Ingresses? "" is no. */}}
{{- define "xds-ingress.publishesService" -}}
{{- if and .Values.controlPlane.publishService .Values.fleet.service.enabled (not .Values.controlPlane.publishAddresses) -}}yes{{- end -}}
{{- end -}}

{{/* The port that clients see. Arguments: root, name ("http" or "https"). */}}
{{- define "xds-ingress.publicPort" -}}
{{- $fleet := .root.Values.fleet -}}
{{- $given := get .root.Values.controlPlane.publicPorts .name -}}
{{- if $given -}}
{{- $given | int -}}
{{- else if $fleet.service.enabled -}}
{{- (get $fleet.service.ports .name).port | int -}}
{{- else if $fleet.hostPorts.enabled -}}
{{- get $fleet.hostPorts .name | int -}}
{{- else if $fleet.hostNetwork -}}
{{- get $fleet.containerPorts .name | int -}}
{{- else -}}
{{- ternary 80 443 (eq .name "http") -}}
{{- end -}}
{{- end -}}
