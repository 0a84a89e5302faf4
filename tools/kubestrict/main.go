// Command kubestrict reads Kubernetes objects from standard input and names every field
// that their types do not have. It ends with status 1 when there is one.
//
// Objects of the Prometheus operator are read as YAML only: their types are not among
// those of Kubernetes.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

var types = map[string]func() any{
	"v1/ConfigMap":                            func() any { return &corev1.ConfigMap{} },
	"v1/Service":                              func() any { return &corev1.Service{} },
	"apps/v1/Deployment":                      func() any { return &appsv1.Deployment{} },
	"batch/v1/Job":                            func() any { return &batchv1.Job{} },
	"policy/v1/PodDisruptionBudget":           func() any { return &policyv1.PodDisruptionBudget{} },
	"networking.k8s.io/v1/NetworkPolicy":      func() any { return &networkingv1.NetworkPolicy{} },
	"monitoring.coreos.com/v1/ServiceMonitor": func() any { return &map[string]any{} },
	"monitoring.coreos.com/v1/PrometheusRule": func() any { return &map[string]any{} },
}

func main() {
	if err := check(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "kubestrict:", err)
		os.Exit(1)
	}
}

func check(in io.Reader) error {
	var wrong []error
	for documents := utilyaml.NewYAMLReader(bufio.NewReader(in)); ; {
		text, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return errors.Join(wrong...)
		}
		if err != nil {
			return err
		}
		wrong = append(wrong, checkObject(text))
	}
}

func checkObject(text []byte) error {
	var meta metav1.PartialObjectMetadata
	if err := yaml.Unmarshal(text, &meta); err != nil {
		return fmt.Errorf("%w in\n%s", err, text)
	}
	if meta.Kind == "" {
		return nil // only comments
	}
	object := types[meta.APIVersion+"/"+meta.Kind]
	if object == nil {
		return fmt.Errorf("%s %s is not a known kind of object", meta.APIVersion, meta.Kind)
	}
	if err := yaml.UnmarshalStrict(text, object()); err != nil {
		return fmt.Errorf("%s %s: %w", meta.Kind, meta.Name, err)
	}
	return nil
}
