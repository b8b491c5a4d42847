{{- define "doorward.injector.tls" -}}
{{- default (printf "%s-tls" (include "doorward.fullname" .)) .Values.injector.certificate.secretName -}}
{{- end -}}

{{/* Of the cluster, not of the namespace: two releases of one name must not share it. */}}
{{- define "doorward.injector.webhook" -}}
{{- printf "%s-%s" .Release.Namespace (include "doorward.fullname" .) -}}
{{- end -}}

{{- define "doorward.injector.config" -}}
{{- $by := .Values.injector.certificate -}}
{{- $certificate := dict "cert" "/etc/doorward/tls/tls.crt" "key" "/etc/doorward/tls/tls.key" -}}
{{- if eq $by.source "self_managed" -}}
{{- $own := dict "secret" (include "doorward.injector.tls" .) "webhook" (include "doorward.injector.webhook" .) "lifetime" $by.lifetime -}}
{{- $certificate = dict "self_managed" $own -}}
{{- end -}}
{{- $config := dict
  "version" 1
  "listen" "0.0.0.0:8443"
  "operations" "0.0.0.0:9901"
  "image" (include "doorward.image" .)
  "image_pull_policy" .Values.image.pullPolicy
  "certificate" $certificate
  "sidecar" .Values.injector.sidecar
  "logging" (dict "format" "json")
  "shutdown" (dict "delay" "5s")
-}}
{{- with .Values.injector.defaults -}}
{{- $_ := set $config "defaults" . -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* "true" where it talks to the API server. */}}
{{- define "doorward.injector.asks" -}}
{{- if or (eq .Values.injector.certificate.source "self_managed") (eq .Values.injector.sidecar "auto") -}}true{{- end -}}
{{- end -}}
