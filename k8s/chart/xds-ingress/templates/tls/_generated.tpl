{{/* When a certificate of so many days ends, from now on. Argument: days. */}}
{{- define "xds-ingress.notAfter" -}}
{{- dateInZone "2006-01-02T15:04:05Z07:00" (now | dateModify (printf "+%dh" (mul 24 (int64 .)))) "UTC" -}}
{{- end -}}

{{/* Seconds until a moment that an annotation has; 0 without Secret or annotation. Arguments: secret (what lookup found),
annotation. */}}
{{- define "xds-ingress.secondsUntil" -}}
{{- $moment := get ((dig "metadata" "annotations" (dict) (.secret | default dict)) | default dict) .annotation -}}
{{- if $moment -}}
{{- sub (toDate "2006-01-02T15:04:05Z07:00" $moment | unixEpoch | int64) (now | unixEpoch | int64) -}}
{{- else -}}
0
{{- end -}}
{{- end -}}

{{/* Is a Secret of ours good for a third of its days and more? "" is no. Arguments: secret (what lookup found), days. */}}
{{- define "xds-ingress.isFresh" -}}
{{- $left := include "xds-ingress.secondsUntil" (dict "secret" .secret "annotation" "xds-ingress.dev/not-after") | int64 -}}
{{- if gt $left (mul (int64 .days) 28800) -}}yes{{- end -}}
{{- end -}}

{{/* The data and annotations of the authority's Secret, as YAML. An authority whose last third has begun is followed in two
steps, for a Pod trusts a new one only after the kubelet has written its files: first ca.crt has both, and the next
authority waits in next.crt; an upgrade an hour later or more signs with it. Arguments: root, name. */}}
{{- define "xds-ingress.authority" -}}
{{- $days := .root.Values.tls.generated.caValidityDays -}}
{{- $old := lookup "v1" "Secret" .root.Release.Namespace .name -}}
{{- $annotations := dict -}}
{{- $data := dict -}}
{{- if $old -}}
{{- $data = $old.data -}}
{{- $annotations = pick $old.metadata.annotations "xds-ingress.dev/not-after" "xds-ingress.dev/next-not-after" -}}
{{- end -}}
{{- $next := include "xds-ingress.secondsUntil" (dict "secret" $old "annotation" "xds-ingress.dev/next-not-after") | int64 -}}
{{- $left := include "xds-ingress.secondsUntil" (dict "secret" $old "annotation" "xds-ingress.dev/not-after") | int64 -}}
{{- if include "xds-ingress.isFresh" (dict "secret" $old "days" $days) -}}
{{- /* Nothing to do. */ -}}
{{- else if le $left 0 -}}
{{- $made := genCAWithKey (printf "xds-ingress %s" (now | unixEpoch)) (int $days) (genPrivateKey "ecdsa") -}}
{{- $data = dict "tls.crt" ($made.Cert | b64enc) "tls.key" ($made.Key | b64enc) "ca.crt" ($made.Cert | b64enc) -}}
{{- $annotations = dict "xds-ingress.dev/not-after" (include "xds-ingress.notAfter" $days) -}}
{{- else if not (hasKey $data "next.crt") -}}
{{- $made := genCAWithKey (printf "xds-ingress %s" (now | unixEpoch)) (int $days) (genPrivateKey "ecdsa") -}}
{{- $bundle := printf "%s%s" (get $data "tls.crt" | b64dec) $made.Cert | b64enc -}}
{{- $data = merge (dict "next.crt" ($made.Cert | b64enc) "next.key" ($made.Key | b64enc) "ca.crt" $bundle) $data -}}
{{- $annotations = set $annotations "xds-ingress.dev/next-not-after" (include "xds-ingress.notAfter" $days) -}}
{{- else if lt $next (sub (mul (int64 $days) 86400) 3600) -}}
{{- $data = dict "tls.crt" (get $data "next.crt") "tls.key" (get $data "next.key") "ca.crt" (get $data "ca.crt") -}}
{{- $annotations = dict "xds-ingress.dev/not-after" (get $annotations "xds-ingress.dev/next-not-after") -}}
{{- end -}}
{{- dict "data" $data "annotations" $annotations | toYaml -}}
{{- end -}}

{{/* A Secret with a certificate: the one that is there, or a new one. ECDSA on P-256, as in k8s/certificates.sh. Its common
name has no meaning to xds (and at most 64 characters). Its key usages are those of servers and clients, whatever its use:
https://helm.sh/docs/chart_template_guide/function_list/#gensignedcert
so that an Envoy's certificate could serve as that of a server of the name of its node cluster, which nobody asks for.
Arguments: root, use, names, authority (a certificate of sprig), bundle (of authorities, base64). */}}
{{- define "xds-ingress.generatedSecret" -}}
{{- $name := include "xds-ingress.secret" . -}}
{{- $days := .root.Values.tls.generated.validityDays -}}
{{- $old := lookup "v1" "Secret" .root.Release.Namespace $name -}}
{{- $annotations := dict "xds-ingress.dev/names" (join "," .names) "xds-ingress.dev/authority" (.authority.Cert | sha256sum | trunc 16) -}}
{{- $keep := false -}}
{{- if include "xds-ingress.isFresh" (dict "secret" $old "days" $days) -}}
{{- $keep = eq (pick $old.metadata.annotations "xds-ingress.dev/names" "xds-ingress.dev/authority" | toJson) ($annotations | toJson) -}}
{{- end -}}
{{- $notAfter := include "xds-ingress.notAfter" $days -}}
{{- $data := dict "ca.crt" .bundle -}}
{{- if $keep -}}
{{- $notAfter = get $old.metadata.annotations "xds-ingress.dev/not-after" -}}
{{- $data = merge $data (pick $old.data "tls.crt" "tls.key") -}}
{{- else -}}
{{- $made := genSignedCertWithKey (printf "xds-ingress %s" .use) (list) .names (int $days) .authority (genPrivateKey "ecdsa") -}}
{{- $data = set (set $data "tls.crt" ($made.Cert | b64enc)) "tls.key" ($made.Key | b64enc) -}}
{{- end -}}
{{- $annotations = set $annotations "xds-ingress.dev/not-after" $notAfter -}}
apiVersion: v1
kind: Secret
metadata:
  {{- include "xds-ingress.metadata" (dict "root" .root "component" "control-plane" "name" $name "annotations" $annotations) | nindent 2 }}
type: kubernetes.io/tls
data:
  {{- toYaml $data | nindent 2 }}
{{- end -}}
