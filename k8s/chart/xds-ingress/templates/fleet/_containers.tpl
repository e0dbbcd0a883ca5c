{{/* Checks passwords for Envoy (basic authentication). A sidecar: it starts before Envoy and ends after it, so that no
request is answered 503 while Envoy drains. Not part of readiness: without it, hosts without passwords go on. */}}
{{- define "xds-ingress.authzContainer" -}}
- name: authz
  {{- include "xds-ingress.ownImage" . | nindent 2 }}
  restartPolicy: Always
  args:
    - authz
    - --listen=unix:/run/xds/authz.sock
    # Not loopback: the kubelet asks from outside the Pod.
    - "--admin=[::]:18003"
    # Else one for each of the node's CPUs. Hashes have a low priority, in this container only.
    - --max-hashes={{ .Values.authz.maxHashes }}
  ports:
    - name: authz-admin
      containerPort: 18003
  startupProbe:
    httpGet:
      path: /readyz
      port: authz-admin
    periodSeconds: 1
    failureThreshold: 60
  livenessProbe:
    httpGet:
      path: /healthz
      port: authz-admin
    periodSeconds: 10
    timeoutSeconds: 5
    failureThreshold: 6
  resources:
    {{- toYaml .Values.authz.resources | nindent 4 }}
  securityContext:
    {{- include "xds-ingress.confined" . | nindent 4 }}
  volumeMounts:
    - name: authz
      mountPath: /run/xds # the socket is for the Pod's user only
{{- end -}}

{{/* Writes Envoy's bootstrap configuration, with the image of the control plane, so that the two always agree. */}}
{{- define "xds-ingress.bootstrapContainer" -}}
{{- $values := .Values.fleet -}}
- name: bootstrap
  {{- include "xds-ingress.ownImage" . | nindent 2 }}
  command: [sh, -c, 'exec xds bootstrap "$@" > /etc/envoy/envoy.yaml', bootstrap]
  args:
    - --xds=$(SERVICE_NAME).$(POD_NAMESPACE).svc:18000
    - --node-id=$(POD_NAME)
    - --node-cluster=$(SERVICE_NAME) # what the proxies' certificate names
    - --admin-port={{ $values.adminPort }}
    - --stats-port={{ $values.statsPort }}
    - --tls-ca=/etc/xds-ingress/tls/ca.crt
    - --tls-cert=/etc/xds-ingress/tls/tls.crt
    - --tls-key=/etc/xds-ingress/tls/tls.key
    - --sds-dir=/etc/envoy
    {{- range $values.extraBootstrapArgs }}
    - {{ . | quote }}
    {{- end }}
  env:
    - name: POD_NAME
      valueFrom:
        fieldRef:
          fieldPath: metadata.name
    {{- include "xds-ingress.namespaceVariable" . | nindent 4 }}
    - name: SERVICE_NAME
      value: {{ include "xds-ingress.fullname" . | toYaml }}
    - name: XDS_TLS_SERVER_NAME
      value: {{ include "xds-ingress.serverName" . }}
    # --max-memory: the limit of the container `envoy`, in bytes. Without a limit, the memory of the node.
    - name: XDS_MAX_MEMORY
      valueFrom:
        resourceFieldRef:
          containerName: envoy
          resource: limits.memory
  resources:
    {{- toYaml $values.bootstrap.resources | nindent 4 }}
  securityContext:
    {{- include "xds-ingress.confined" . | nindent 4 }}
  volumeMounts:
    - name: tls
      mountPath: /etc/xds-ingress/tls # the folder and not single files: those would never change
      readOnly: true
    - name: bootstrap
      mountPath: /etc/envoy
{{- end -}}

{{- define "xds-ingress.envoyContainer" -}}
{{- $values := .Values.fleet -}}
- name: envoy
  # Not the distroless one: it has no shell, which drain.sh needs. The alternative is a second container in each Pod
  # that does nothing but wait for the end.
  image: {{ include "xds-ingress.image" $values | toYaml }}
  imagePullPolicy: {{ $values.image.pullPolicy }}
  command: [envoy]
  args:
    - --config-path
    - /etc/envoy/envoy.yaml
    # As many as it should have of the node; else there is a thread for each of the node's CPUs.
    - --concurrency
    - {{ $values.concurrency | quote }}
    # Asks each client to go with the next response. `gradual`, the default, would ask few of them within the grace
    # period, for --drain-time-s (600) is also how long a connection may outlive a listener that changed.
    - --drain-strategy
    - immediate
    # Kubernetes replaces Pods, not processes; without it no shared memory is needed.
    - --disable-hot-restart
    {{- range $values.extraArgs }}
    - {{ . | quote }}
    {{- end }}
  ports:
    - name: http
      containerPort: {{ $values.containerPorts.http }}
      {{- if $values.hostPorts.enabled }}
      hostPort: {{ $values.hostPorts.http }}
      {{- end }}
    - name: https
      containerPort: {{ $values.containerPorts.https }}
      {{- if $values.hostPorts.enabled }}
      hostPort: {{ $values.hostPorts.https }}
      {{- end }}
    {{- if $values.hostPorts.enabled }}
    # Of layer 4 only here: a list of ports for information alone would replace all Pods with each new port.
    {{- range $key := list "tcp" "udp" }}
    {{- range $number, $_ := get $.Values $key | default dict }}
    - name: {{ $key }}-{{ $number }}
      containerPort: {{ $number }}
      hostPort: {{ $number }}
      protocol: {{ upper $key }}
    {{- end }}
    {{- end }}
    {{- end }}
    - name: stats
      containerPort: {{ $values.statsPort }}
  # 200 when Envoy has its listeners from the control plane. There is no liveness probe: Envoy has a watchdog of its
  # own, and one that waits for the control plane must not be restarted into a growing back-off.
  readinessProbe:
    httpGet:
      path: /ready
      port: stats
    periodSeconds: 3
  lifecycle:
    preStop:
      exec:
        # Seconds until the load balancer has noticed, Envoy's admin port, and its port for HTTPS.
        command:
          - bash
          - /etc/drain/drain.sh
          - {{ $values.drainSeconds | quote }}
          - {{ $values.adminPort | quote }}
          - {{ $values.containerPorts.https | quote }}
  resources:
    {{- toYaml $values.resources | nindent 4 }}
  securityContext:
    {{- include "xds-ingress.confined" . | nindent 4 }}
  volumeMounts:
    - name: tls
      mountPath: /etc/xds-ingress/tls # the folder and not single files: those would never change
      readOnly: true
    {{- if .Values.authz.enabled }}
    - name: authz
      mountPath: /run/xds
    {{- end }}
    - name: bootstrap
      mountPath: /etc/envoy
      readOnly: true
    - name: drain
      mountPath: /etc/drain
      readOnly: true
{{- end -}}
