{{/* The chart's own context, from itself or from a parent that depends on it: pass `.` or `.Subcharts.ALIAS`. */}}
{{- define "shipper.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 52 | trimAll "-" }}
{{- end }}

{{/* At most 52 characters, as Kubernetes and this chart append up to 11 to it; no dots, which a Service can't have. */}}
{{- define "shipper.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride }}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- default $full .Values.fullnameOverride | replace "." "-" | trunc 52 | trimAll "-" }}
{{- end }}

{{- define "shipper.selectorLabels" -}}
app.kubernetes.io/name: {{ include "shipper.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
app.kubernetes.io/component: {{ default "shipper" .component | quote }}
{{- end }}

{{/* Labels of yours stand beside those that pods are selected by, never in their place. */}}
{{- define "shipper.podLabels" -}}
{{ merge (dict) (include "shipper.selectorLabels" . | fromYaml) .Values.podLabels .Values.commonLabels | toYaml }}
{{- end }}

{{- define "shipper.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimAll "-_." | quote }}
{{ include "shipper.selectorLabels" . }}
app.kubernetes.io/version: {{ default .Chart.AppVersion .Values.image.tag | trunc 63 | trimAll "-_." | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service | quote }}
{{- end }}

{{/* metadata of an object: dict "root" . "name" NAME, and optionally "labels" and "annotations". */}}
{{- define "shipper.metadata" -}}
name: {{ .name | quote }}
namespace: {{ .root.Release.Namespace | quote }}
labels:
  {{- merge (dict) (include "shipper.labels" .root | fromYaml) (default dict .labels) .root.Values.commonLabels | toYaml | nindent 2 }}
{{- with merge (dict) (default dict .annotations) .root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "shipper.image" -}}
{{- with .Values.image -}}
{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ default $.Chart.AppVersion .tag }}{{ end }}
{{- end }}
{{- end }}

{{- define "shipper.configMapName" -}}
{{ default (printf "%s-config" (include "shipper.fullname" .)) .Values.existingConfigMap }}
{{- end }}

{{- define "shipper.leaseName" -}}
{{ default (include "shipper.fullname" .) .Values.leaderElection.leaseName }}
{{- end }}

{{/* "true" where the chart makes a service account, else nothing. */}}
{{- define "shipper.serviceAccountCreate" -}}
{{- $create := toString .Values.serviceAccount.create }}
{{- if or (eq $create "true") (and (eq $create "auto") (ne .Values.mode "sidecar") (not .Values.serviceAccount.name)) }}true{{ end }}
{{- end }}

{{- define "shipper.serviceAccountName" -}}
{{- if include "shipper.serviceAccountCreate" . }}
{{- default (include "shipper.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{/* "true" where a leader is elected, else nothing. */}}
{{- define "shipper.elects" -}}
{{- $enabled := toString .Values.leaderElection.enabled }}
{{- $needed := or (gt (int .Values.replicaCount) 1) (and (eq .Values.mode "sidecar") (not .Values.sidecar.singleReplica)) }}
{{- if or (eq $enabled "true") (and (eq $enabled "auto") $needed) }}true{{ end }}
{{- end }}

{{- define "shipper.terminationGracePeriodSeconds" -}}
{{ add .Values.drainTimeoutSeconds 10 }}
{{- end }}
