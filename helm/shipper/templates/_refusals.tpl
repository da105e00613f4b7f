{{/* Stops a release that would poll twice, lose its credential or not work, and says what to set instead. */}}
{{- define "shipper.refusals" -}}
{{- if or (not (toYaml .Values)) (regexMatch `\x{85}|(^|[^\\])(\\\\)*\\u202[89]` (toJson .Values)) }}
{{- fail "a value holds a control character (U+007F to U+009F) or a line separator (U+2028, U+2029), which helm can't write: take it out, or keep the file that needs it in a ConfigMap of yours (extraVolumes)" }}
{{- end }}
{{- if not (has .Values.mode (list "statefulset" "deployment" "sidecar")) }}
{{- fail "mode: set statefulset, deployment or sidecar" }}
{{- end }}
{{- $elects := include "shipper.elects" . }}
{{- $ownPod := ne .Values.mode "sidecar" }}
{{- if and (gt (int .Values.replicaCount) 1) (not $elects) }}
{{- fail "replicaCount above 1 without a leader would poll GitHub once per replica: set leaderElection.enabled to auto or true, or replicaCount to 1" }}
{{- end }}
{{- if and (not $ownPod) (not $elects) (not .Values.sidecar.singleReplica) }}
{{- fail "a sidecar without a leader polls GitHub once per replica of its workload: set leaderElection.enabled to auto or true, or sidecar.singleReplica to true if the workload never has two pods" }}
{{- end }}
{{- if and (not $ownPod) (gt (int .Values.replicaCount) 1) }}
{{- fail "replicaCount is for pods of the chart's own; in a sidecar your workload has the replicas" }}
{{- end }}
{{- if and (eq .Values.mode "deployment") (not $elects) .Values.strategy (ne (default "" .Values.strategy.type) "Recreate") }}
{{- fail "strategy: without a leader a rolling update has two pods that poll: set strategy.type to Recreate or leaderElection.enabled to true" }}
{{- end }}
{{- if and .Values.persistence.existingClaim (gt (int .Values.replicaCount) 1) (not (has "ReadWriteMany" .Values.persistence.accessModes)) }}
{{- fail "persistence.existingClaim is shared by all replicas: set persistence.accessModes to [ReadWriteMany] if the claim allows it, or replicaCount to 1" }}
{{- end }}
{{- if and .Values.existingConfigMap $elects (not .Values.leaderElection.configured) }}
{{- fail "existingConfigMap: the chart can't add the leader election to it. Write extensions.k8s_leader_elector into the ConfigMap and set leaderElection.configured to true" }}
{{- end }}
{{- if and .Values.existingConfigMap $ownPod .Values.networkPolicy.enabled (not (kindIs "slice" .Values.networkPolicy.exporters)) }}
{{- fail "existingConfigMap: the chart can't see where its exporters send to: set networkPolicy.exporters (rules {to, ports}), or networkPolicy.enabled to false" }}
{{- end }}
{{- if and .Values.config.extensions .Values.config.extensions.k8s_leader_elector (not .Values.existingConfigMap) }}
{{- fail "config.extensions.k8s_leader_elector is written by the chart, in step with its Role: set leaderElection instead" }}
{{- end }}
{{- if and $elects (not $ownPod) .Values.rbac.create (eq (include "shipper.serviceAccountName" .) "default") }}
{{- fail "serviceAccount.name: name the service account of the pod that has the sidecar, which the Role for the Lease is bound to (\"default\" would give every pod of the namespace that right)" }}
{{- end }}
{{- if ge (int .Values.leaderElection.renewDeadlineSeconds) (int .Values.leaderElection.leaseDurationSeconds) }}
{{- fail "leaderElection.renewDeadlineSeconds must be below leaseDurationSeconds, or two could lead at once" }}
{{- end }}
{{- if ge (int .Values.leaderElection.retryPeriodSeconds) (int .Values.leaderElection.renewDeadlineSeconds) }}
{{- fail "leaderElection.retryPeriodSeconds must be below renewDeadlineSeconds" }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled .Values.podMonitor.enabled }}
{{- fail "serviceMonitor and podMonitor would both scrape every pod: enable one" }}
{{- end }}
{{- if and .Values.serviceMonitor.enabled (not $ownPod) }}
{{- fail "serviceMonitor: a sidecar has no Service of its own; enable podMonitor" }}
{{- end }}
{{- if and .Values.podMonitor.enabled (not $ownPod) (not .Values.podMonitor.selector) }}
{{- fail "podMonitor.selector: give the labels of the pods that have the sidecar" }}
{{- end }}
{{- if and $ownPod (not (regexMatch "^[a-z]" (include "shipper.fullname" .))) }}
{{- fail (printf "a Service can't be called %s, since its name starts with a letter: set fullnameOverride" (include "shipper.fullname" .)) }}
{{- end }}
{{- if and .Values.proxy.url (hasKey (default dict .Values.env) "HTTPS_PROXY") }}
{{- fail "env.HTTPS_PROXY and proxy.url say the same: set proxy.url alone, which the NetworkPolicy knows" }}
{{- end }}
{{- if and .Values.proxy.noProxy (hasKey (default dict .Values.env) "NO_PROXY") }}
{{- fail "env.NO_PROXY and proxy.noProxy say the same: set one" }}
{{- end }}
{{- $size := 0 }}
{{- if not .Values.existingConfigMap }}
{{- $size = len (include "shipper.config" .) }}
{{- end }}
{{- range .Values.files }}
{{- $size = add $size (len .) }}
{{- end }}
{{- if gt (int $size) 1048576 }}
{{- fail (printf "config and files hold %d bytes, and a ConfigMap takes 1048576: mount large files by extraVolumes and extraVolumeMounts" (int $size)) }}
{{- end }}
{{- if and .Values.ca.existingConfigMap .Values.ca.existingSecret }}
{{- fail "ca: set existingConfigMap or existingSecret, not both" }}
{{- end }}
{{- if eq (int .Values.adminPort) (int .Values.metricsPort) }}
{{- fail "adminPort and metricsPort must differ" }}
{{- end }}
{{- end }}
