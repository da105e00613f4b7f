{{/* Environment of every container that reads the configuration. */}}
{{- define "shipper.env" -}}
{{- range $name, $value := .Values.env }}
- name: {{ $name | quote }}
  {{- if kindIs "map" $value }}
  valueFrom:
    {{- toYaml $value | nindent 4 }}
  {{- else }}
  value: {{ $value | quote }}
  {{- end }}
{{- end }}
{{- with .Values.proxy }}
{{- if .url }}
- name: HTTPS_PROXY
  value: {{ .url | quote }}
{{- end }}
{{- if .noProxy }}
- name: NO_PROXY
  value: {{ .noProxy | quote }}
{{- end }}
{{- end }}
{{- end }}

{{/* What every container that reads the configuration mounts. */}}
{{- define "shipper.readMounts" -}}
{{- $prefix := .Values.sidecar.volumePrefix -}}
- name: {{ $prefix }}-config
  mountPath: /etc/shipper
  readOnly: true
- name: {{ $prefix }}-tmp
  mountPath: /tmp
{{- if .Values.github.existingSecret }}
- name: {{ $prefix }}-github
  mountPath: /var/run/secrets/shipper
  readOnly: true
{{- end }}
{{- if or .Values.ca.existingConfigMap .Values.ca.existingSecret }}
- name: {{ $prefix }}-ca
  mountPath: /etc/shipper-ca
  readOnly: true
{{- end }}
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Volumes that can be made from values alone; `shipper.dataVolume` is the journal's. */}}
{{- define "shipper.readVolumes" -}}
{{- $prefix := .Values.sidecar.volumePrefix -}}
- name: {{ $prefix }}-config
  configMap:
    name: {{ default (include "shipper.configMapName" .) .configMap | quote }}
- name: {{ $prefix }}-tmp
  emptyDir:
    sizeLimit: 64Mi
{{- with .Values.github.existingSecret }}
- name: {{ $prefix }}-github
  secret:
    secretName: {{ . | quote }}
{{- end }}
{{- with .Values.ca }}
{{- if .existingConfigMap }}
- name: {{ $prefix }}-ca
  configMap:
    name: {{ .existingConfigMap | quote }}
    items: [{key: {{ .key | quote }}, path: ca.crt}]
{{- else if .existingSecret }}
- name: {{ $prefix }}-ca
  secret:
    secretName: {{ .existingSecret | quote }}
    items: [{key: {{ .key | quote }}, path: ca.crt}]
{{- end }}
{{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The token for the Lease: mounted into the shipper's container only, whatever else is in the pod. */}}
{{- define "shipper.leaseVolume" -}}
{{- if include "shipper.elects" . -}}
- name: {{ .Values.sidecar.volumePrefix }}-lease
  projected:
    sources:
      - serviceAccountToken: {path: token, expirationSeconds: 3600}
      - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
      - downwardAPI: {items: [{path: namespace, fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}}]}
{{- end }}
{{- end }}

{{/* The journal's volume, where it is no claim template's and no volume of a parent's pod. */}}
{{- define "shipper.dataVolume" -}}
- name: {{ .Values.sidecar.volumePrefix }}-data
  {{- if .Values.persistence.existingClaim }}
  persistentVolumeClaim:
    claimName: {{ .Values.persistence.existingClaim | quote }}
  {{- else }}
  emptyDir:
    sizeLimit: {{ .Values.persistence.emptyDirSizeLimit | quote }}
  {{- end }}
{{- end }}

{{- define "shipper.dataVolumeName" -}}
{{ default (printf "%s-data" .Values.sidecar.volumePrefix) .Values.sidecar.dataVolume }}
{{- end }}

{{/* An HTTP probe: dict "path" PATH "settings" MAP. */}}
{{- define "shipper.probe" -}}
httpGet:
  path: {{ .path | quote }}
  port: shipper-admin
{{- with .settings }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The shipper's container, as a mapping; `nativeSidecar` in the context makes it a native sidecar. */}}
{{- define "shipper.container" -}}
name: {{ .Values.sidecar.name | quote }}
image: {{ include "shipper.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy | quote }}
{{- if .nativeSidecar }}
restartPolicy: Always
{{- end }}
command: [shipper]
args:
  - run
  - --config=/etc/shipper/pipelines.yaml
  - --drain-timeout={{ .Values.drainTimeoutSeconds }}s
  {{- if .Values.configReload.enabled }}
  - --watch
  {{- end }}
  {{- with .Values.extraArgs }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
workingDir: /var/lib/shipper
{{- with include "shipper.env" . | trim }}
env:
  {{- . | nindent 2 }}
{{- end }}
{{- with .Values.envFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
ports:
  - name: shipper-admin
    containerPort: {{ .Values.adminPort }}
    protocol: TCP
  - name: shipper-metrics
    containerPort: {{ .Values.metricsPort }}
    protocol: TCP
  {{- range .Values.extraPorts }}
  - name: {{ .name | quote }}
    containerPort: {{ .port }}
    protocol: {{ default "TCP" .protocol | quote }}
  {{- end }}
startupProbe:
  {{- include "shipper.probe" (dict "path" "/livez" "settings" .Values.startupProbe) | nindent 2 }}
livenessProbe:
  {{- include "shipper.probe" (dict "path" "/livez" "settings" .Values.livenessProbe) | nindent 2 }}
{{- if or (ne .Values.mode "sidecar") .Values.sidecar.readiness }}
readinessProbe:
  {{- include "shipper.probe" (dict "path" "/readyz" "settings" .Values.readinessProbe) | nindent 2 }}
{{- end }}
resources:
  {{- toYaml .Values.resources | nindent 2 }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
terminationMessagePolicy: FallbackToLogsOnError
volumeMounts:
  - name: {{ include "shipper.dataVolumeName" . | quote }}
    mountPath: /var/lib/shipper
  {{- include "shipper.readMounts" . | nindent 2 }}
  {{- if include "shipper.elects" . }}
  - name: {{ .Values.sidecar.volumePrefix }}-lease
    mountPath: /var/run/secrets/kubernetes.io/serviceaccount
    readOnly: true
  {{- end }}
{{- end }}

{{/* Containers that must succeed first, a list: the commands in `preflight`. Their output is the pod's message. */}}
{{- define "shipper.preflight" -}}
{{- range $command := list "validate" "test" "check" }}
{{- if index $.Values.preflight $command }}
- name: {{ $.Values.sidecar.name }}-{{ $command }}
  image: {{ include "shipper.image" $ | quote }}
  imagePullPolicy: {{ $.Values.image.pullPolicy | quote }}
  command: [shipper]
  args: [{{ $command }}, --config=/etc/shipper/pipelines.yaml]
  workingDir: /tmp
  {{- with include "shipper.env" $ | trim }}
  env:
    {{- . | nindent 4 }}
  {{- end }}
  {{- with $.Values.envFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  resources:
    {{- toYaml $.Values.resources | nindent 4 }}
  securityContext:
    {{- toYaml $.Values.securityContext | nindent 4 }}
  terminationMessagePolicy: FallbackToLogsOnError
  volumeMounts:
    {{- include "shipper.readMounts" $ | nindent 4 }}
{{- end }}
{{- end }}
{{- end }}

{{/* Where a pod may run and as whom: shared by the workload and the preflight Job. */}}
{{- define "shipper.scheduling" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
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
{{- with .Values.priorityClassName }}
priorityClassName: {{ . | quote }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ . | quote }}
{{- end }}
{{- with .Values.hostAliases }}
hostAliases:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.dnsPolicy }}
dnsPolicy: {{ . | quote }}
{{- end }}
{{- with .Values.dnsConfig }}
dnsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* The pod template of the statefulset and the deployment; `claimTemplate`: the journal's volume is a claim's. */}}
{{- define "shipper.podTemplate" -}}
metadata:
  labels:
    {{- include "shipper.podLabels" . | nindent 4 }}
  {{- $checksum := include "shipper.checksum" . | fromYaml }}
  {{- with merge (dict) .Values.podAnnotations $checksum .Values.commonAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "shipper.serviceAccountName" . | quote }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "shipper.terminationGracePeriodSeconds" . }}
  {{- include "shipper.scheduling" . | trim | nindent 2 }}
  {{- if kindIs "slice" .Values.topologySpreadConstraints }}
  {{- with .Values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- else if gt (int .Values.replicaCount) 1 }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "shipper.selectorLabels" . | nindent 10 }}
  {{- end }}
  {{- $initContainers := include "shipper.preflight" . | trim }}
  {{- if or $initContainers .Values.extraInitContainers }}
  initContainers:
    {{- with $initContainers }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- with .Values.extraInitContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- end }}
  containers:
    - {{ include "shipper.container" . | nindent 6 | trim }}
    {{- with .Values.extraContainers }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  volumes:
    {{- include "shipper.readVolumes" . | nindent 4 }}
    {{- with include "shipper.leaseVolume" . }}
    {{- . | nindent 4 }}
    {{- end }}
    {{- if not .claimTemplate }}
    {{- include "shipper.dataVolume" . | nindent 4 }}
    {{- end }}
{{- end }}
