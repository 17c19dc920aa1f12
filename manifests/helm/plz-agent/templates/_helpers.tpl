{{/* The chart's name, or what the user calls it. */}}
{{- define "plz-agent.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* The name of the objects; short enough for the longest suffix, `-metrics`. */}}
{{- define "plz-agent.fullname" -}}
{{- $name := include "plz-agent.name" . -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 55 | trimSuffix "-" -}}
{{- end -}}

{{- define "plz-agent.selectorLabels" -}}
app.kubernetes.io/name: {{ include "plz-agent.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "plz-agent.labels" -}}
{{- $own := include "plz-agent.selectorLabels" . | fromYaml -}}
{{- $own = merge $own (dict
  "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
  "app.kubernetes.io/version" .Chart.AppVersion
  "app.kubernetes.io/managed-by" .Release.Service) -}}
{{- toYaml (merge $own .Values.customLabels) -}}
{{- end -}}

{{/* metadata of an object: (dict "root" $ "name" NAME "namespace" NAMESPACE-or-empty "labels" {} "annotations" {}). */}}
{{- define "plz-agent.metadata" -}}
name: {{ .name }}
{{- with .namespace }}
namespace: {{ . }}
{{- end }}
labels:
  {{- $labels := include "plz-agent.labels" .root | fromYaml }}
  {{- toYaml (merge $labels (.labels | default dict)) | nindent 2 }}
{{- with merge dict (.annotations | default dict) .root.Values.customAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "plz-agent.serviceAccountName" -}}
{{- $default := ternary (include "plz-agent.fullname" .) "default" .Values.serviceAccount.create -}}
{{- default $default .Values.serviceAccount.name -}}
{{- end -}}

{{/* The namespaces to watch, as {"names": […]}; none stands for all. */}}
{{- define "plz-agent.namespaces" -}}
{{- $names := .Values.watchNamespaces -}}
{{- with .Values.watchNamespace -}}
{{- $names = prepend $names . -}}
{{- end -}}
{{- if and .Values.rbac.namespaced (not $names) -}}
{{- $names = list .Release.Namespace -}}
{{- end -}}
{{- dict "names" ($names | uniq) | toYaml -}}
{{- end -}}

{{- define "plz-agent.image" -}}
{{- $registry := default .Values.image.registry .Values.global.image.registry -}}
{{- with $registry }}{{ . }}/{{ end -}}
{{- .Values.image.repository -}}
{{- if .Values.image.digest -}}
@{{ .Values.image.digest }}
{{- else -}}
:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* The rules of the role of that name in a file of this chart: (dict "root" $ "file" FILE "kind" KIND). */}}
{{- define "plz-agent.rules" -}}
{{- $root := .root -}}
{{- $kind := .kind -}}
{{- $rules := list -}}
{{- range splitList "\n---\n" (.root.Files.Get .file) -}}
{{- $object := fromYaml . -}}
{{- if eq $object.kind $kind -}}
{{- range $object.rules -}}
{{- $election := and (has "coordination.k8s.io" .apiGroups) (eq $kind "Role") -}}
{{- if and $election .resourceNames -}}
{{- $_ := set . "resourceNames" (list $root.Values.lease.name) -}}
{{- end -}}
{{- if or $root.Values.lease.enabled (not $election) -}}
{{- $rules = append $rules . -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toYaml $rules -}}
{{- end -}}
