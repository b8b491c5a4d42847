{{- define "doorward.tls" -}}
{{- if .Values.tls.certManager.enabled -}}
{{- default (printf "%s-tls" (include "doorward.fullname" .)) .Values.tls.secretName -}}
{{- else -}}
{{- .Values.tls.secretName -}}
{{- end -}}
{{- end -}}

{{- define "doorward.port" -}}
{{- if include "doorward.tls" . -}}8443{{- else -}}8080{{- end -}}
{{- end -}}

{{- define "doorward.servicePort" -}}
{{- default (ternary 443 80 (not (empty (include "doorward.tls" .)))) .Values.service.port -}}
{{- end -}}

{{/* One changed file reaches a running container only if its whole folder is mounted. */}}
{{- define "doorward.configFile" -}}
{{- if eq .Values.reload "hot" -}}/etc/doorward/config/doorward.yaml{{- else -}}/etc/doorward/doorward.yaml{{- end -}}
{{- end -}}

{{/* A URL, and a password beside it, as the configuration names files. */}}
{{- define "doorward.byUrl" -}}
{{- $named := dict "url" (dict "file" (printf "/etc/doorward/secrets/%s_url" .name)) -}}
{{- if .from.passwordKey -}}
{{- $_ := set $named "password" (dict "file" (printf "/etc/doorward/secrets/%s_password" .name)) -}}
{{- end -}}
{{- toYaml $named -}}
{{- end -}}

{{- define "doorward.filledStore" -}}
{{- $store := dict -}}
{{- if .Values.store.existingSecret -}}
{{- $store = include "doorward.byUrl" (dict "name" "store" "from" .Values.store) | fromYaml -}}
{{- else if ne (dig "sessions" "mode" "" .Values.config) "sealed" -}}
{{- $store = dict "url" "sqlite:/var/lib/doorward/doorward.db" -}}
{{- end -}}
{{- if .Values.sessionStore.existingSecret -}}
{{- $_ := set $store "sessions" (include "doorward.byUrl" (dict "name" "session_store" "from" .Values.sessionStore) | fromYaml) -}}
{{- end -}}
{{- toYaml $store -}}
{{- end -}}

{{/* The configuration: the chart's part, under what the values say. Lists are replaced, not merged. */}}
{{- define "doorward.config" -}}
{{- $listener := dict "address" (printf "0.0.0.0:%s" (include "doorward.port" .)) -}}
{{- if include "doorward.tls" . -}}
{{- $certificate := dict "cert" "/etc/doorward/tls/tls.crt" "key" "/etc/doorward/tls/tls.key" -}}
{{- $_ := set $listener "tls" (dict "certificates" (list $certificate)) -}}
{{- end -}}
{{- $filled := dict
  "version" 1
  "listeners" (list $listener)
  "operations" (dict "address" "0.0.0.0:9901")
  "secret_key" (dict "file" "/etc/doorward/secrets/secret_key")
  "shutdown" (dict "delay" "5s")
  "logging" (dict "format" "json")
-}}
{{- with include "doorward.filledStore" . | fromYaml -}}
{{- $_ := set $filled "store" . -}}
{{- end -}}
{{- $config := mergeOverwrite $filled (deepCopy .Values.config) -}}
{{- if and .Values.journal.enabled $config.store (ne (include "doorward.engine" $config) "sqlite") -}}
{{- $_ := set $config "audit" (merge ($config.audit | default dict) (dict "journal" "/var/lib/doorward/events")) -}}
{{- end -}}
{{- if and (eq .Values.mode "sidecar") .Values.sidecar.appPort -}}
{{- $_ := set $config.upstream "url" (printf "http://127.0.0.1:%d" (int .Values.sidecar.appPort)) -}}
{{- end -}}
{{- toYaml $config -}}
{{- end -}}

{{/* Of a configuration: what keeps people and keys. A URL from a file or the environment is taken for one of PostgreSQL. */}}
{{- define "doorward.engine" -}}
{{- $store := .store | default dict -}}
{{- if not $store.url -}}none
{{- else if hasPrefix "sqlite:" ($store.url | toString) -}}sqlite
{{- else -}}postgres
{{- end -}}
{{- end -}}

{{/* Where the door writes to: "claim" (one for all pods), "claims" (one for each) or "emptyDir". */}}
{{- define "doorward.state" -}}
{{- $engine := include "doorward.engine" (include "doorward.config" . | fromYaml) -}}
{{- if eq .Values.mode "sidecar" -}}
{{- if and .Values.persistence.enabled .Values.persistence.existingClaim -}}claim{{- else -}}emptyDir{{- end -}}
{{- else if and .Values.persistence.enabled (or .Values.persistence.existingClaim (eq $engine "sqlite")) -}}claim
{{- else if and (eq $engine "postgres") .Values.journal.enabled (eq .Values.journal.volume "claim") -}}claims
{{- else -}}emptyDir
{{- end -}}
{{- end -}}

{{- define "doorward.secret" -}}
{{- default (include "doorward.fullname" .) .Values.secrets.existing -}}
{{- end -}}

{{/* "true" where a key has to be drawn. */}}
{{- define "doorward.drawsKey" -}}
{{- $given := hasKey .Values.secrets.values "secret_key" -}}
{{- range .Values.secrets.from -}}
{{- if eq .file "secret_key" -}}{{- $given = true -}}{{- end -}}
{{- end -}}
{{- if not (or $given .Values.secrets.existing) -}}true{{- end -}}
{{- end -}}

{{/* "true" where the chart makes the Secret. */}}
{{- define "doorward.makesSecret" -}}
{{- if and (not .Values.secrets.existing) (or .Values.secrets.values (include "doorward.drawsKey" .)) -}}true{{- end -}}
{{- end -}}

{{/* What stands under `data` in the chart's Secret. */}}
{{- define "doorward.secretData" -}}
{{- $kept := lookup "v1" "Secret" .Release.Namespace (include "doorward.secret" .) -}}
{{- range $name, $value := .Values.secrets.values }}
{{ $name }}: {{ $value | b64enc }}
{{- end }}
{{- if include "doorward.drawsKey" . }}
{{- if and $kept (hasKey (default dict $kept.data) "secret_key") }}
secret_key: {{ index $kept.data "secret_key" }}
{{- else }}
secret_key: {{ randAlphaNum 48 | b64enc }}
{{- end }}
{{- end }}
{{- end -}}
