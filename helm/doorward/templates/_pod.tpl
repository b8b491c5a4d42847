{{/* Pieces of pods: of the gateway, of an application with a sidecar, of the Job that checks. */}}

{{- define "doorward.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "doorward.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* The context with "prefix", which keeps the names of a sidecar's volumes apart from the application's. */}}
{{- define "doorward.mounts" -}}
{{- $root := .root -}}
- name: {{ .prefix }}config
  {{- if eq $root.Values.reload "hot" }}
  mountPath: /etc/doorward/config
  {{- else }}
  mountPath: /etc/doorward/doorward.yaml
  subPath: doorward.yaml
  {{- end }}
  readOnly: true
- name: {{ .prefix }}secrets
  mountPath: /etc/doorward/secrets
  readOnly: true
{{- if include "doorward.tls" $root }}
- name: {{ .prefix }}tls
  mountPath: /etc/doorward/tls
  readOnly: true
{{- end }}
{{- end -}}

{{/* Also takes "config" and "secret": names of what holds them; "mode" of the secrets' files; "aside" for a pod that comes before the release and its certificate. */}}
{{- define "doorward.volumes" -}}
{{- $root := .root -}}
- name: {{ .prefix }}config
  configMap:
    name: {{ .config }}
- name: {{ .prefix }}secrets
  projected:
    defaultMode: {{ .mode }}
    sources:
      {{- if or $root.Values.secrets.existing (include "doorward.makesSecret" $root) }}
      - secret:
          name: {{ .secret }}
      {{- end }}
      {{- range $root.Values.secrets.from }}
      - secret:
          name: {{ .secret }}
          items: [{ key: {{ .key | quote }}, path: {{ .file | quote }} }]
      {{- end }}
      {{- range $name, $from := dict "store" $root.Values.store "session_store" $root.Values.sessionStore }}
      {{- if $from.existingSecret }}
      - secret:
          name: {{ $from.existingSecret }}
          items:
            - { key: {{ $from.key | quote }}, path: {{ $name }}_url }
            {{- if $from.passwordKey }}
            - { key: {{ $from.passwordKey | quote }}, path: {{ $name }}_password }
            {{- end }}
      {{- end }}
      {{- end }}
{{- if include "doorward.tls" $root }}
- name: {{ .prefix }}tls
  secret:
    secretName: {{ include "doorward.tls" $root }}
    defaultMode: {{ .mode }}
    {{- if and .aside $root.Values.tls.certManager.enabled }}
    optional: true
    {{- end }}
{{- end }}
{{- end -}}

{{/* What every container of the door has, but for its ports, probes and resources. */}}
{{- define "doorward.program" -}}
image: {{ include "doorward.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  {{- include "doorward.containerSecurity" .root | nindent 2 }}
env:
  # For commands that are run beside it.
  - name: DOORWARD_CONFIG
    value: {{ include "doorward.configFile" .root }}
  {{- with .root.Values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with .root.Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The serving container, without the dash of its list. */}}
{{- define "doorward.container" -}}
name: doorward
{{ include "doorward.program" . }}
args: [serve]
ports:
  - name: door
    containerPort: {{ include "doorward.port" .root }}
    protocol: TCP
  - name: operations
    containerPort: 9901
    protocol: TCP
{{ include "doorward.probes" .root }}
resources:
  {{- toYaml .root.Values.resources | nindent 2 }}
volumeMounts:
  {{- include "doorward.mounts" . | nindent 2 }}
  - name: {{ .prefix }}state
    mountPath: /var/lib/doorward
  {{- with .root.Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* By number: a name would be looked for in the application's containers, too. */}}
{{- define "doorward.probes" -}}
startupProbe:
  httpGet:
    path: /livez
    port: 9901
  periodSeconds: 1
  failureThreshold: 60
livenessProbe:
  httpGet:
    path: /livez
    port: 9901
readinessProbe:
  httpGet:
    path: /readyz
    port: 9901
  periodSeconds: 5
{{- end -}}

{{- define "doorward.placement" -}}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if and (include "doorward.several" .) .Values.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range .Values.topologySpreadConstraints }}
  - {{ merge (deepCopy .) (dict "labelSelector" (dict "matchLabels" (include "doorward.selector" $ | fromYaml))) | toYaml | nindent 4 | trim }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "doorward.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* The volume that the door writes to, where it is not each pod's own claim. */}}
{{- define "doorward.stateVolume" -}}
{{- if eq (include "doorward.state" .) "claim" -}}
persistentVolumeClaim:
  claimName: {{ default (include "doorward.fullname" .) .Values.persistence.existingClaim }}
{{- else if eq (include "doorward.engine" (include "doorward.config" . | fromYaml)) "postgres" -}}
emptyDir:
  sizeLimit: {{ .Values.journal.size }}
{{- else -}}
emptyDir: {}
{{- end -}}
{{- end -}}
