{{- define "report-operator.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" }}
{{- end -}}
{{- end -}}

{{- define "report-operator.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "report-operator.labels" -}}
{{ include "report-operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "report-operator.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- define "report-operator.store" -}}
{{ include "report-operator.fullname" . }}-store
{{- end -}}

{{- define "report-operator.storeSecret" -}}
{{- if .Values.store.embedded.enabled -}}
{{ include "report-operator.store" . }}
{{- else -}}
{{ .Values.store.existingSecret }}
{{- end -}}
{{- end -}}

{{- define "report-operator.storeEndpoint" -}}
{{- if .Values.store.embedded.enabled -}}
http://{{ include "report-operator.store" . }}.{{ .Release.Namespace }}.svc:8333
{{- else -}}
{{ .Values.store.endpoint }}
{{- end -}}
{{- end -}}

{{- define "report-operator.storeCredentials" -}}
{{- if eq .Values.store.kind "gcs" }}
- {name: GOOGLE_APPLICATION_CREDENTIALS, value: /run/store/key.json}
{{- else if eq .Values.store.kind "azure" }}
- name: REPORT_OPERATOR_STORE_ACCOUNT_KEY
  valueFrom:
    secretKeyRef: {name: {{ .Values.store.existingSecret }}, key: AZURE_STORAGE_KEY}
{{- else }}
{{- include "report-operator.storeKeys" . }}
{{- end }}
{{- end -}}

{{- define "report-operator.storeKeys" -}}
{{- range list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" }}
- name: {{ . }}
  valueFrom:
    secretKeyRef: {name: {{ include "report-operator.storeSecret" $ }}, key: {{ . }}}
{{- end }}
{{- end -}}

{{- define "report-operator.relay" -}}
{{ include "report-operator.fullname" . }}-relay
{{- end -}}

{{- define "report-operator.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "report-operator.placement" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
