{{- define "doorward.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "doorward.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "doorward.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "doorward.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "doorward.selector" -}}
app.kubernetes.io/name: {{ include "doorward.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "doorward.labels" -}}
{{ include "doorward.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- define "doorward.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "doorward.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "doorward.secret" -}}
{{- default (include "doorward.fullname" .) .Values.secrets.existing -}}
{{- end -}}

{{- define "doorward.port" -}}
{{- if .Values.tls.secretName -}}8443{{- else -}}8080{{- end -}}
{{- end -}}

{{/* The configuration: the chart's part, under what the values say. Lists are replaced, not merged. */}}
{{- define "doorward.config" -}}
{{- $listener := dict "address" (printf "0.0.0.0:%s" (include "doorward.port" .)) -}}
{{- if .Values.tls.secretName -}}
{{- $certificate := dict "cert" "/etc/doorward/tls/tls.crt" "key" "/etc/doorward/tls/tls.key" -}}
{{- $_ := set $listener "tls" (dict "certificates" (list $certificate)) -}}
{{- end -}}
{{- $filled := dict
  "version" 1
  "listeners" (list $listener)
  "operations" (dict "address" "0.0.0.0:9901")
  "secret_key" (dict "file" "/etc/doorward/secrets/secret_key")
-}}
{{- if ne (get (get .Values.config "sessions" | default dict) "mode") "sealed" -}}
{{- $_ := set $filled "store" (dict "url" "sqlite:/var/lib/doorward/doorward.db") -}}
{{- end -}}
{{- toYaml (mergeOverwrite $filled (deepCopy .Values.config)) -}}
{{- end -}}
