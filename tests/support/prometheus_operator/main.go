// Decodes objects of the Prometheus operator strictly: a field that its API doesn't have, or of another type, is an error.
package main

import (
	"bytes"
	"fmt"
	"io"
	"os"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	"sigs.k8s.io/yaml"
)

func main() {
	input, err := io.ReadAll(os.Stdin)
	if err != nil {
		panic(err)
	}
	for _, document := range bytes.Split(input, []byte("\n---\n")) {
		var kind struct{ Kind string }
		if err := yaml.Unmarshal(document, &kind); err != nil {
			panic(err)
		}
		kinds := map[string]any{"PodMonitor": &monitoringv1.PodMonitor{}, "PrometheusRule": &monitoringv1.PrometheusRule{}}
		object, known := kinds[kind.Kind]
		if !known {
			continue
		}
		if err := yaml.UnmarshalStrict(document, object); err != nil {
			fmt.Println(kind.Kind, err)
			os.Exit(1)
		}
		fmt.Println(kind.Kind, "is valid")
	}
}
