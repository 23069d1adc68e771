{{/* Of every object; (dict "component" "agent" "root" .), without a component for what is of both */}}
{{- define "baton.labels" -}}
app.kubernetes.io/name: baton
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
{{- end }}

{{/* By which a part is selected; the argument is its name. */}}
{{- define "baton.selector" -}}
app.kubernetes.io/name: baton
app.kubernetes.io/component: {{ . }}
{{- end }}

{{/* The name of a part's image; (dict "image" .Values.agent.image "root" .) */}}
{{- define "baton.image" -}}
{{- $shared := .root.Values.image -}}
{{- with $shared.registry }}{{ trimSuffix "/" . }}/{{ end -}}
{{- .image.repository }}:{{ $shared.tag | default .root.Chart.AppVersion -}}
{{- with .image.digest }}@{{ . }}{{ end -}}
{{- end }}

{{/* Which pods run where, and what is to be pulled for them; (dict "part" .Values.agent "root" .) */}}
{{- define "baton.placement" -}}
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.priorityClassName }}
priorityClassName: {{ quote . }}
{{- end }}
{{- with .part.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .part.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What cert-manager looks at, to put the authority there. */}}
{{- define "baton.inject" -}}
{{- if .Values.certManager.enabled -}}
cert-manager.io/inject-ca-from: {{ .Release.Namespace }}/baton-webhook
{{- end -}}
{{- end }}
