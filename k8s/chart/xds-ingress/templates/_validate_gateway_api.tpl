{{/* Values of the Gateway API that don't go together. */}}
{{- define "xds-ingress.validateGatewayAPI" -}}
{{- $gateways := .Values.gatewayAPI -}}
{{- $fleet := .Values.fleet -}}
{{- if not $gateways.enabled -}}
{{- range list "className" "createClass" "addresses" "ports" "services" -}}
{{- if get $gateways . -}}
{{- fail (printf "gatewayAPI.%s: has no effect without gatewayAPI.enabled; set it to true, or remove gatewayAPI.%s" . .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and $gateways.createClass (not $gateways.className) -}}
{{- fail "gatewayAPI.createClass: needs gatewayAPI.className, the name of the GatewayClass" -}}
{{- end -}}
{{- if and $gateways.addresses $gateways.services -}}
{{- fail "gatewayAPI.services: Gateways have addresses of Services, or of gatewayAPI.addresses; empty one of the two" -}}
{{- end -}}
{{- if and $gateways.addresses .Values.networkPolicy.enabled (not $fleet.hostNetwork) (not $gateways.ports) -}}
{{- fail "gatewayAPI.addresses: the NetworkPolicy of the fleet needs the ports of your Gateways in gatewayAPI.ports, such as [80, 443]" -}}
{{- end -}}
{{- with $gateways.services -}}
{{- $first := splitList "-" . | first | int -}}
{{- $last := splitList "-" . | last | int -}}
{{- if or (lt $first 1) (gt $last 65535) (gt $first $last) -}}
{{- fail (printf "gatewayAPI.services: %q is no range of ports from 1 to 65535" .) -}}
{{- end -}}
{{- if not (include "xds-ingress.publishesService" $) -}}
{{- fail "gatewayAPI.services: needs the fleet's Service and controlPlane.publishService, whose namespace and selector Services of Gateways have" -}}
{{- end -}}
{{- if and $.Values.controlPlane.watchNamespaces (not (has $.Release.Namespace $.Values.controlPlane.watchNamespaces)) -}}
{{- fail (printf "gatewayAPI.services: controlPlane.watchNamespaces must have %s, where the Services of Gateways are" $.Release.Namespace) -}}
{{- end -}}
{{- $taken := concat (include "xds-ingress.reservedPorts" $ | splitList ",") (list $fleet.containerPorts.http $fleet.containerPorts.https) -}}
{{- range $taken -}}
{{- if and (ge (int .) $first) (le (int .) $last) -}}
{{- fail (printf "gatewayAPI.services: port %d of the range is one of fleet.containerPorts, fleet.adminPort, fleet.statsPort, controlPlane.reservedPorts or xds authz; choose another range" (int .)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
