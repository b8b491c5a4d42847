{{- define "doorward.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* Leaves room for what is appended to it. */}}
{{- define "doorward.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains (include "doorward.name" .) .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "doorward.name" .) | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "doorward.selector" -}}
app.kubernetes.io/name: {{ include "doorward.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "doorward.labels" -}}
{{ include "doorward.selector" . }}
{{ include "doorward.origin" . }}
{{- end -}}

{{- define "doorward.origin" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{/* Pods of a Job or test are no pods of the Service. */}}
{{- define "doorward.asideSelector" -}}
app.kubernetes.io/name: {{ include "doorward.name" . }}-aside
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "doorward.asideLabels" -}}
{{ include "doorward.asideSelector" . }}
{{ include "doorward.origin" . }}
{{- end -}}

{{/* The pods that the door is in. */}}
{{- define "doorward.pods" -}}
{{- if eq .Values.mode "sidecar" -}}
{{- toYaml .Values.sidecar.selector -}}
{{- else -}}
{{- include "doorward.selector" . -}}
{{- end -}}
{{- end -}}

{{- define "doorward.image" -}}
{{- if .Values.image.digest -}}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest -}}
{{- else -}}
{{- printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) -}}
{{- end -}}
{{- end -}}

{{- define "doorward.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "doorward.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* The host of public_url, without a port. */}}
{{- define "doorward.host" -}}
{{- (urlParse .Values.config.public_url).hostname -}}
{{- end -}}

{{/* "true" where there may be more than one pod. */}}
{{- define "doorward.several" -}}
{{- if or .Values.autoscaling.enabled (gt (int .Values.replicaCount) 1) -}}true{{- end -}}
{{- end -}}
