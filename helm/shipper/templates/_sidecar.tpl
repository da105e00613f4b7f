{{/*
The shipper as a sidecar of your chart. Each template takes the context of your chart (the dependency's name or
alias is `shipper`), or `.Subcharts.ALIAS`; values stand under that name. See docs/kubernetes.md.
*/}}

{{/* Calls a template of this chart with its own context: list CONTEXT TEMPLATE, and optionally a dict of more. */}}
{{- define "shipper.sidecar.own" -}}
{{- $context := index . 0 }}
{{- with $context.Subcharts }}
{{- with .shipper }}{{- $context = . }}{{- end }}
{{- end }}
{{- if ne (toString $context.Values.mode) "sidecar" }}
{{- fail "set mode: sidecar for the shipper, so that it makes no pod of its own" }}
{{- end }}
{{- include "shipper.refusals" $context }}
{{- $more := dict }}
{{- if gt (len .) 2 }}{{- $more = index . 2 }}{{- end }}
{{- include (index . 1) (merge (dict) $more $context) }}
{{- end }}

{{/* An element of `containers`. */}}
{{- define "shipper.sidecar.container" -}}
- {{ include "shipper.sidecar.own" (list . "shipper.container") | nindent 2 | trim }}
{{- end }}

{{/* An element of `initContainers`: a native sidecar, which starts before and stops after the others. */}}
{{- define "shipper.sidecar.initContainer" -}}
{{- if not (include "shipper.sidecar.native" .) }}
{{- fail (printf "a native sidecar needs Kubernetes 1.29 or newer (this is %s): include shipper.sidecar.container in containers instead" .Capabilities.KubeVersion.Version) }}
{{- end -}}
- {{ include "shipper.sidecar.own" (list . "shipper.container" (dict "nativeSidecar" true)) | nindent 2 | trim }}
{{- end }}

{{/* "true" where the cluster has native sidecars, else nothing. */}}
{{- define "shipper.sidecar.native" -}}
{{- if semverCompare ">=1.29.0-0" .Capabilities.KubeVersion.Version }}true{{ end }}
{{- end }}

{{/* Elements of `initContainers`, before the sidecar: a broken configuration keeps the pod from starting. */}}
{{- define "shipper.sidecar.preflight" -}}
{{- include "shipper.sidecar.own" (list . "shipper.preflight") | trim }}
{{- end }}

{{/* Elements of `volumes`. */}}
{{- define "shipper.sidecar.volumes" -}}
{{- include "shipper.sidecar.own" (list . "shipper.sidecarVolumes") }}
{{- end }}

{{- define "shipper.sidecarVolumes" -}}
{{- include "shipper.readVolumes" . }}
{{- with include "shipper.leaseVolume" . }}
{{ . }}
{{- end }}
{{- if not .Values.sidecar.dataVolume }}
{{ include "shipper.dataVolume" . }}
{{- end }}
{{- end }}

{{/* The ConfigMap, a whole object; nothing with existingConfigMap. */}}
{{- define "shipper.sidecar.configMap" -}}
{{- include "shipper.sidecar.own" (list . "shipper.configMap") }}
{{- end }}

{{/* Annotations for the pod template: the configuration's checksum, unless it is reloaded without a restart. */}}
{{- define "shipper.sidecar.annotations" -}}
{{- include "shipper.sidecar.own" (list . "shipper.checksum") }}
{{- end }}

{{/* For `terminationGracePeriodSeconds`: at least this long, and as long as your own containers need. */}}
{{- define "shipper.sidecar.terminationGracePeriodSeconds" -}}
{{- include "shipper.sidecar.own" (list . "shipper.terminationGracePeriodSeconds") }}
{{- end }}
