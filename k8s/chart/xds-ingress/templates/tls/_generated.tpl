{{/* When a certificate of so many days ends, from now on. Argument: days. */}}
{{- define "xds-ingress.notAfter" -}}
{{- dateInZone "2006-01-02T15:04:05Z07:00" (now | dateModify (printf "+%dh" (mul 24 (int64 .)))) "UTC" -}}
{{- end -}}

{{/* Is a Secret of ours good for two thirds of its days and more? "" is no. Arguments: secret (what lookup found), days. */}}
{{- define "xds-ingress.isFresh" -}}
{{- if .secret -}}
{{- $notAfter := get (.secret.metadata.annotations | default dict) "xds-ingress.dev/not-after" -}}
{{- $left := sub (toDate "2006-01-02T15:04:05Z07:00" $notAfter | unixEpoch | int64) (now | unixEpoch | int64) -}}
{{- if gt $left (mul (int64 .days) 28800) -}}yes{{- end -}}
{{- end -}}
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
{{- $names := join "," .names -}}
{{- $keep := false -}}
{{- if include "xds-ingress.isFresh" (dict "secret" $old "days" $days) -}}
{{- $keep = and (eq (get $old.data "ca.crt") .bundle) (eq (get $old.metadata.annotations "xds-ingress.dev/names") $names) -}}
{{- end -}}
{{- $notAfter := include "xds-ingress.notAfter" $days -}}
{{- $data := dict "ca.crt" .bundle -}}
{{- if $keep -}}
{{- $notAfter = get $old.metadata.annotations "xds-ingress.dev/not-after" -}}
{{- $data = pick $old.data "tls.crt" "tls.key" "ca.crt" -}}
{{- else -}}
{{- $made := genSignedCertWithKey (printf "xds-ingress %s" .use) (list) .names (int $days) .authority (genPrivateKey "ecdsa") -}}
{{- $data = set (set $data "tls.crt" ($made.Cert | b64enc)) "tls.key" ($made.Key | b64enc) -}}
{{- end -}}
{{- $annotations := dict "xds-ingress.dev/not-after" $notAfter "xds-ingress.dev/names" $names -}}
apiVersion: v1
kind: Secret
metadata:
  {{- include "xds-ingress.metadata" (dict "root" .root "component" "control-plane" "name" $name "annotations" $annotations) | nindent 2 }}
type: kubernetes.io/tls
data:
  {{- toYaml $data | nindent 2 }}
{{- end -}}
