package main

import (
	"bytes"
	"sync"
	"sync/atomic"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/proto"
)

const (
	cds  = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
	eds  = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
	lds  = "type.googleapis.com/envoy.config.listener.v3.Listener"
	rds  = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
	vhds = "type.googleapis.com/envoy.config.route.v3.VirtualHost"
)

// resource is what one says, read once for the whole fleet and shared.
type resource struct {
	name, version string
	refs          []string // what Envoy asks for because of it: endpoints of a cluster, routes of a listener
	vhds          bool     // a RouteConfiguration whose virtual hosts come one by one
	address       string   // of the first endpoint
	body          []byte
	marked        atomic.Pointer[verdict]
}

// verdict is whether a resource holds a mark.
type verdict struct {
	of    *mark
	holds bool
}

// holds tells whether the mark's text is anywhere in the resource.
func (r *resource) holds(m *mark) bool {
	v := r.marked.Load()
	if v == nil || v.of != m {
		v = &verdict{m, bytes.Contains(r.body, m.text)}
		r.marked.Store(v)
	}
	return v.holds
}

// library remembers resources by their bytes. It forgets all of them when there are too many.
type library struct {
	mutex sync.RWMutex
	known map[string]*resource
}

const remembered = 200_000

func (l *library) read(typeURL string, data []byte, delta bool) (*resource, error) {
	l.mutex.RLock()
	r := l.known[string(data)]
	l.mutex.RUnlock()
	if r != nil {
		return r, nil
	}
	r, err := readResource(typeURL, data, delta)
	if err != nil {
		return nil, err
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if same := l.known[string(data)]; same != nil {
		return same, nil
	}
	if len(l.known) >= remembered {
		clear(l.known)
	}
	l.known[string(data)] = r
	return r, nil
}

func readResource(typeURL string, data []byte, delta bool) (*resource, error) {
	r := &resource{}
	var err error
	if delta {
		r.name, r.version, r.body, err = parseResource(data)
	} else {
		r.body, err = parseAny(data)
	}
	if err == nil {
		r.body = bytes.Clone(r.body) // else it holds on to the whole response
		err = r.understand(typeURL)
	}
	return r, err
}

// understand reads the body. State-of-the-world resources have no name but in there.
func (r *resource) understand(typeURL string) error {
	switch typeURL {
	case cds:
		return read(r, func(c *clusterv3.Cluster) string {
			if c.GetType() == clusterv3.Cluster_EDS {
				r.refs = []string{endpointsName(c)}
			}
			return c.Name
		})
	case eds:
		return read(r, func(a *endpointv3.ClusterLoadAssignment) string {
			if len(a.Endpoints) > 0 && len(a.Endpoints[0].LbEndpoints) > 0 {
				r.address = a.Endpoints[0].LbEndpoints[0].GetEndpoint().GetAddress().GetSocketAddress().GetAddress()
			}
			return a.ClusterName
		})
	case lds:
		return read(r, func(l *listenerv3.Listener) string {
			r.refs = routeNames(l)
			return l.Name
		})
	case rds:
		return read(r, func(c *routev3.RouteConfiguration) string {
			r.vhds = c.Vhds != nil
			return c.Name
		})
	}
	return nil
}

// read decodes the body, which is a T, and takes the name from it if the resource has none yet.
func read[T any, M interface {
	*T
	proto.Message
}](r *resource, name func(M) string) error {
	message := M(new(T))
	if err := proto.Unmarshal(r.body, message); err != nil {
		return err
	}
	if found := name(message); r.name == "" {
		r.name = found
	}
	return nil
}

func endpointsName(c *clusterv3.Cluster) string {
	if name := c.GetEdsClusterConfig().GetServiceName(); name != "" {
		return name
	}
	return c.Name
}

func routeNames(l *listenerv3.Listener) (names []string) {
	for _, chain := range append(l.FilterChains, l.DefaultFilterChain) {
		for _, filter := range chain.GetFilters() {
			var manager hcmv3.HttpConnectionManager
			config := filter.GetTypedConfig()
			if config.MessageIs(&manager) && config.UnmarshalTo(&manager) == nil && manager.GetRds() != nil {
				names = append(names, manager.GetRds().RouteConfigName)
			}
		}
	}
	return names
}
