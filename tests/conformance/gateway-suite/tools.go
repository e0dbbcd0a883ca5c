//go:build tools

// The backends of the suite.
package suite

import _ "sigs.k8s.io/gateway-api/conformance/echo-basic"
