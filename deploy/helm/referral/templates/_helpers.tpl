{{- define "referral.name" -}}{{ .Release.Name | trunc 40 | trimSuffix "-" }}{{- end }}

{{- define "referral.selector" -}}
app.kubernetes.io/name: referral
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "referral.labels" -}}
{{ include "referral.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "referral.image" -}}{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}{{- end }}

{{- define "referral.config" -}}
config.yaml: |
{{- toYaml .Values.config | nindent 2 }}
{{- end }}

{{- define "referral.port" -}}{{ regexFind "[0-9]+$" . }}{{- end }}

{{- /* The parts of a pod that the service and the migration share. */}}
{{- define "referral.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
{{- range . }}
  - name: {{ . }}
{{- end }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.nodeSelector }}
nodeSelector:
{{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
{{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "referral.container" -}}
name: referral
image: {{ include "referral.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- with .Values.env }}
env:
{{- toYaml . | nindent 2 }}
{{- end }}
resources:
{{- toYaml .Values.resources | nindent 2 }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: [ALL]
volumeMounts:
  - name: config
    mountPath: /etc/referral
    readOnly: true
  - name: secrets
    mountPath: /run/secrets/referral
    readOnly: true
  - name: temporary
    mountPath: /tmp
{{- end }}
