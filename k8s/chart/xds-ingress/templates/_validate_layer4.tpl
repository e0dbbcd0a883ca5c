{{/* Values of layer 4: the grammar of entries, and ports that two would have. */}}
{{- define "xds-ingress.validateLayer4" -}}
{{- $fleet := .Values.fleet -}}
{{- $service := $fleet.service -}}
{{- $taken := dict -}}
{{- range $number := include "xds-ingress.reservedPorts" . | splitList "," -}}
{{- $_ := set $taken (printf "%s/TCP" $number) "fleet.adminPort, fleet.statsPort, controlPlane.reservedPorts or xds authz" -}}
{{- end -}}
{{- $_ := set $taken (printf "%d/TCP" (int $fleet.containerPorts.http)) "fleet.containerPorts.http" -}}
{{- $_ := set $taken (printf "%d/TCP" (int $fleet.containerPorts.https)) "fleet.containerPorts.https" -}}
{{- $_ := set $taken (printf "%d/UDP" (int $fleet.containerPorts.https)) "fleet.containerPorts.https, for HTTP/3" -}}
{{- if $fleet.hostPorts.enabled -}}
{{- $_ := set $taken (printf "%d/TCP" (int $fleet.hostPorts.http)) "fleet.hostPorts.http" -}}
{{- $_ := set $taken (printf "%d/TCP" (int $fleet.hostPorts.https)) "fleet.hostPorts.https" -}}
{{- end -}}
{{- range $key := list "tcp" "udp" -}}
{{- $entries := get $.Values $key | default dict -}}
{{- $own := printf "%sServicesConfigMap" $key -}}
{{- if and $entries (get $.Values.controlPlane $own) -}}
{{- fail (printf "%s: controlPlane.%s names a ConfigMap of yours, which has the entries; empty one of the two" $key $own) -}}
{{- end -}}
{{- $flags := ternary "(:PROXY|:(PROXY)?:PROXY(_V2)?)?" "" (eq $key "tcp") -}}
{{- $forms := ternary "NAMESPACE/SERVICE:PORT[:PROXY][:PROXY or :PROXY_V2]" "NAMESPACE/SERVICE:PORT" (eq $key "tcp") -}}
{{- range $number, $entry := $entries -}}
{{- if not (and (regexMatch "^[1-9][0-9]{0,4}$" $number) (le (atoi $number) 65535)) -}}
{{- fail (printf "%s: %q is not a port from 1 to 65535" $key $number) -}}
{{- end -}}
{{- if not (regexMatch (printf "^(?i)[a-z0-9]([-a-z0-9]*[a-z0-9])?/[a-z0-9]([-a-z0-9]*[a-z0-9])?:[-a-z0-9]+%s$" $flags) $entry) -}}
{{- fail (printf "%s.%s: %q is not %s" $key $number $entry $forms) -}}
{{- end -}}
{{- with get $taken (printf "%s/%s" $number (upper $key)) -}}
{{- fail (printf "%s.%s: the port is that of %s; choose another" $key $number .) -}}
{{- end -}}
{{- end -}}
{{- range $number, $_ := get $service.nodePorts $key | default dict -}}
{{- if not (hasKey $entries $number) -}}
{{- fail (printf "fleet.service.nodePorts.%s: %s is not among the ports of the value %s" $key $number $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range .Values.controlPlane.exposePorts -}}
{{- $ports := regexFind "^[0-9-]+" . | splitList "-" -}}
{{- if or (lt (atoi (first $ports)) 1) (gt (atoi (last $ports)) 65535) (gt (atoi (first $ports)) (atoi (last $ports))) -}}
{{- fail (printf "controlPlane.exposePorts: %q has no range of ports from 1 to 65535" .) -}}
{{- end -}}
{{- end -}}
{{- if $service.enabled -}}
{{- include "xds-ingress.validateServicePorts" . -}}
{{- end -}}
{{- end -}}

{{- define "xds-ingress.validateServicePorts" -}}
{{- $service := .Values.fleet.service -}}
{{- $names := list "http" "https" -}}
{{- $offered := list (printf "%d/TCP" (int $service.ports.http.port)) (printf "%d/TCP" (int $service.ports.https.port)) -}}
{{- range include "xds-ingress.layer4ServicePorts" . | fromJsonArray -}}
{{- $port := printf "%d/%s" (int .port) .protocol -}}
{{- if has $port $offered -}}
{{- fail (printf "fleet.service: two ports are %s, one of them of tcp, udp or fleet.service.extraPorts; the others are those of fleet.service.ports" $port) -}}
{{- end -}}
{{- if has .name $names -}}
{{- fail (printf "fleet.service.extraPorts: two ports of the Service have the name %s" .name) -}}
{{- end -}}
{{- if and .nodePort (eq $service.type "ClusterIP") -}}
{{- fail (printf "fleet.service: a Service of type ClusterIP has no nodePort (port %s); set fleet.service.type to NodePort or LoadBalancer, or remove it" .name) -}}
{{- end -}}
{{- $offered = append $offered $port -}}
{{- $names = append $names .name -}}
{{- end -}}
{{- if and $service.udp.separate (ne $service.type "LoadBalancer") -}}
{{- fail "fleet.service.udp.separate: only load balancers need a Service for each protocol; set fleet.service.type to LoadBalancer, or separate to false" -}}
{{- end -}}
{{- end -}}
