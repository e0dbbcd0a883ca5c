{{/* The Pod template of the fleet, of a Deployment or a DaemonSet. Argument: root.

How a Pod goes without losing a request: its endpoint is marked terminating and preStop begins at the same moment; drain.sh
(see there) ends when the load balancer has noticed and no request is left, and only then Envoy gets SIGTERM, upon
which it exits at once. */}}
{{- define "xds-ingress.fleetPod" -}}
{{- $values := .Values.fleet -}}
{{- $spread := eq $values.kind "Deployment" -}}
{{- $checksum := dict "checksum/drain" (.Files.Get "files/drain.sh" | sha256sum | trunc 16) -}}
{{- $about := dict "root" . "component" "proxy" "values" $values "spread" $spread "annotations" $checksum -}}
metadata:
  {{- include "xds-ingress.podMetadata" $about | nindent 2 }}
spec:
  serviceAccountName: {{ include "xds-ingress.fleetServiceAccountName" . | toYaml }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  {{- if $values.hostNetwork }}
  hostNetwork: true
  {{- end }}
  {{- with $values.dnsPolicy | default (ternary "ClusterFirstWithHostNet" "" $values.hostNetwork) }}
  dnsPolicy: {{ . }}
  {{- end }}
  # The longest that a request (a download, a WebSocket) or a connection of layer 4 may go on after its Pod was deleted.
  terminationGracePeriodSeconds: {{ $values.terminationGracePeriodSeconds }}
  securityContext:
    {{- include "xds-ingress.fleetSecurityContext" . | nindent 4 }}
  {{- with include "xds-ingress.scheduling" $about | trim }}
  {{- . | nindent 2 }}
  {{- end }}
  initContainers:
    {{- if .Values.authz.enabled }}
    {{- include "xds-ingress.authzContainer" . | nindent 4 }}
    {{- end }}
    {{- include "xds-ingress.bootstrapContainer" . | nindent 4 }}
  containers:
    {{- include "xds-ingress.envoyContainer" . | nindent 4 }}
  volumes:
    - name: tls
      secret:
        secretName: {{ include "xds-ingress.secret" (dict "root" . "use" "client") | toYaml }}
        defaultMode: 0440
    - name: bootstrap
      emptyDir:
        sizeLimit: 1Mi
    {{- if .Values.authz.enabled }}
    - name: authz
      emptyDir:
        medium: Memory
        sizeLimit: 1Mi
    {{- end }}
    - name: drain
      configMap:
        name: {{ include "xds-ingress.fleet" . }}-drain
{{- end -}}
