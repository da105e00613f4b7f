{{/* The credential of `github` values as the `auth` of a receiver; nothing where there is none. */}}
{{- define "shipper.githubAuth" -}}
{{- with .Values.github }}
{{- if and .existingSecret .app.clientId -}}
app:
  client_id: {{ .app.clientId | quote }}
  private_key_file: /var/run/secrets/shipper/{{ .app.privateKeyKey }}
  {{- with .app.installationId }}
  installation_id: {{ int64 . }}
  {{- end }}
{{- else if .existingSecret -}}
token_file: /var/run/secrets/shipper/{{ .tokenKey }}
{{- end }}
{{- end }}
{{- end }}

{{/* The receivers, those of GitHub with the pod's credential and CA where they have none of their own. */}}
{{- define "shipper.receivers" -}}
{{- $auth := include "shipper.githubAuth" . | fromYaml }}
{{- $ca := or .Values.ca.existingConfigMap .Values.ca.existingSecret }}
{{- $receivers := dict }}
{{- range $id, $body := .Values.config.receivers }}
{{- $receiver := deepCopy (default dict $body) }}
{{- if eq (first (splitList "/" $id)) "github" }}
{{- if and $auth (not $receiver.auth) }}{{- $_ := set $receiver "auth" $auth }}{{- end }}
{{- if and $ca (not $receiver.tls) }}{{- $_ := set $receiver "tls" (dict "ca_file" "/etc/shipper-ca/ca.crt") }}{{- end }}
{{- end }}
{{- $_ := set $receivers $id $receiver }}
{{- end }}
{{- toYaml $receivers }}
{{- end }}

{{/* What the configuration takes from the pod it runs in. */}}
{{- define "shipper.podConfig" -}}
{{- $storage := default dict (get (default dict .Values.config.extensions) "storage") -}}
extensions:
  storage:
    type: {{ default "sqlite" $storage.type | quote }}
    {{- if ne (default "" $storage.type) "memory" }}
    path: {{ default "/var/lib/shipper/shipper.db" $storage.path | quote }}
    {{- end }}
  {{- if include "shipper.elects" . }}
  k8s_leader_elector:
    auth_type: serviceAccount
    lease_name: {{ include "shipper.leaseName" . | quote }}
    lease_namespace: {{ .Release.Namespace | quote }}
    lease_duration: {{ .Values.leaderElection.leaseDurationSeconds }}s
    renew_deadline: {{ .Values.leaderElection.renewDeadlineSeconds }}s
    retry_period: {{ .Values.leaderElection.retryPeriodSeconds }}s
  {{- end }}
service:
  admin:
    endpoint: {{ printf "%s:%v" .Values.bindAddress .Values.adminPort | quote }}
  telemetry:
    metrics:
      endpoint: {{ printf "%s:%v" .Values.bindAddress .Values.metricsPort | quote }}
{{- end }}

{{/* `config` without those of the chart's own components that no pipeline names: values merge, and leave them. */}}
{{- define "shipper.usedConfig" -}}
{{- $config := deepCopy .Values.config }}
{{- $_ := set $config "receivers" (include "shipper.receivers" . | fromYaml) }}
{{- $defaults := dict "receivers" (list "github") "processors" (list "normalize" "rules/severity" "schema") "exporters" (list "debug") }}
{{- range $kind, $names := $defaults }}
{{- $used := list }}
{{- range $pipeline := (default dict $config.service).pipelines }}
{{- $used = concat $used (default list (get (default dict $pipeline) $kind)) }}
{{- if eq $kind "exporters" }}{{- $used = concat $used (default list (default dict $pipeline).dead_letter) }}{{- end }}
{{- end }}
{{- range $name := $names }}
{{- if not (has $name $used) }}
{{- $_ := set $config $kind (omit (default dict (get $config $kind)) $name) }}
{{- end }}
{{- end }}
{{- end }}
{{- toYaml $config }}
{{- end }}

{{/* pipelines.yaml as it is mounted. */}}
{{- define "shipper.config" -}}
{{- $config := include "shipper.usedConfig" . | fromYaml }}
{{- toYaml (mustMergeOverwrite $config (include "shipper.podConfig" . | fromYaml)) }}
{{- end }}

{{- define "shipper.configData" -}}
pipelines.yaml: |
  {{- include "shipper.config" . | nindent 2 }}
{{- range $name, $content := .Values.files }}
{{ $name | quote }}: {{ $content | quote }}
{{- end }}
{{- end }}

{{/* Pods whose ConfigMap is read once start anew when it changes. */}}
{{- define "shipper.checksum" -}}
{{- if not (or .Values.configReload.enabled .Values.existingConfigMap) -}}
checksum/{{ .Values.sidecar.name }}-config: {{ include "shipper.configData" . | sha256sum }}
{{- end }}
{{- end }}
