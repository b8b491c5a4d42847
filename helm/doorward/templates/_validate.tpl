{{/* What the schema cannot say. Each sentence ends with what to do. */}}
{{- define "doorward.validate" -}}
{{- if ne .Values.mode "injector" -}}
{{- include "doorward.validateStore" . -}}
{{- include "doorward.validateTls" . -}}
{{- end -}}
{{- if eq .Values.mode "sidecar" -}}
{{- if and .Values.service.enabled (not .Values.sidecar.selector) -}}
{{- fail "sidecar.selector: the Service has to know the application's pods; give their labels, or set service.enabled to false" -}}
{{- end -}}
{{- end -}}
{{- if and (eq .Values.mode "injector") (eq .Values.injector.certificate.source "existing") (not .Values.injector.certificate.caBundle) -}}
{{- fail "injector.certificate.caBundle: the API server has to know who signed the certificate; give the PEM" -}}
{{- end -}}
{{- if and .Values.service.enabled (eq .Values.mode "gateway") | not -}}
{{- if and (or .Values.ingress.enabled .Values.gatewayApi.enabled) (not (and .Values.service.enabled (eq .Values.mode "sidecar"))) -}}
{{- fail "ingress, gatewayApi: there is no Service to lead to; set service.enabled, and a mode that has one" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "doorward.validateStore" -}}
{{- $config := include "doorward.config" . | fromYaml -}}
{{- if eq (include "doorward.engine" $config) "sqlite" -}}
{{- if .Values.autoscaling.enabled -}}
{{- fail "autoscaling: the embedded store belongs to one pod; use PostgreSQL (store.existingSecret) or config.sessions.mode: sealed" -}}
{{- end -}}
{{- if gt (int .Values.replicaCount) 1 -}}
{{- fail "replicaCount: the embedded store belongs to one pod; set it to 1, or use PostgreSQL (store.existingSecret) or config.sessions.mode: sealed" -}}
{{- end -}}
{{- if and (eq .Values.mode "sidecar") (ne (include "doorward.state" .) "claim") -}}
{{- fail "mode: each sidecar would have an embedded store of its own that goes with its pod; use PostgreSQL (store.existingSecret), config.sessions.mode: sealed, or persistence.existingClaim for an application of one pod" -}}
{{- end -}}
{{- end -}}
{{- if and .Values.sessionStore.existingSecret (eq (include "doorward.engine" $config) "none") -}}
{{- fail "sessionStore: sessions on Valkey stand beside a store of people and keys; set store.existingSecret" -}}
{{- end -}}
{{- end -}}

{{- define "doorward.validateTls" -}}
{{- if and .Values.gatewayApi.enabled (eq .Values.gatewayApi.kind "TLSRoute") (not (include "doorward.tls" .)) -}}
{{- fail "gatewayApi.kind: a TLSRoute leads TLS to the pods, which have no certificate; set tls.secretName or tls.certManager, or use an HTTPRoute" -}}
{{- end -}}
{{- end -}}
