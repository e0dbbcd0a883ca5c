// Package suite pins the Gateway API's conformance suite and runs it.
//
// v1.6.3 is the newest that Go 1.26 compiles: v1.7.0 says go 1.27.
package suite

import (
	"testing"

	"sigs.k8s.io/gateway-api/conformance"
)

func TestConformance(t *testing.T) {
	conformance.RunConformance(t)
}
