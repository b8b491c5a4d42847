{{/*
For the application's own chart, which depends on this one with `mode: sidecar`. All take the dependency's own context:

  annotations:
    {{- include "doorward.sidecar.annotations" .Subcharts.doorward | nindent 4 }}
  spec:
    initContainers:
      {{- include "doorward.sidecar" .Subcharts.doorward | nindent 6 }}
    volumes:
      {{- include "doorward.sidecar.volumes" .Subcharts.doorward | nindent 6 }}
*/}}

{{/* An item of `initContainers`, or of `containers` with `sidecar.native: false`. */}}
{{- define "doorward.sidecar" -}}
{{- include "doorward.sidecarOnly" . -}}
- {{ include "doorward.container" (dict "root" . "prefix" "doorward-") | nindent 2 | trim }}
  {{- if .Values.sidecar.native }}
  # Started before the application's containers, and stopped after them.
  restartPolicy: Always
  {{- end }}
{{- end -}}

{{/* Items of `volumes`. The files of Secrets belong to root, and whether the pod has a group for them is the application's affair: so they
are readable by all who mount them, which is the sidecar alone. */}}
{{- define "doorward.sidecar.volumes" -}}
{{- include "doorward.sidecarOnly" . -}}
{{- $fullname := include "doorward.fullname" . -}}
{{ include "doorward.volumes" (dict "root" . "prefix" "doorward-" "config" $fullname "secret" (include "doorward.secret" .) "mode" "0444") }}
- name: doorward-state
  {{- include "doorward.stateVolume" . | nindent 2 }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Makes a changed configuration new pods; nothing with `reload: hot`. */}}
{{- define "doorward.sidecar.annotations" -}}
{{- include "doorward.sidecarOnly" . -}}
{{- if ne .Values.reload "hot" -}}
checksum/doorward: {{ include "doorward.config" . | sha256sum }}
{{- end -}}
{{- end -}}

{{- define "doorward.sidecarOnly" -}}
{{- if ne .Values.mode "sidecar" -}}
{{- fail "doorward.sidecar: the dependency's values need `mode: sidecar`" -}}
{{- end -}}
{{- end -}}
