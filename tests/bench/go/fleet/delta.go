package main

import (
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
)

// conversation is one delta stream: what it subscribed to by name, and whether it asked for virtual hosts.
type conversation struct {
	*envoy
	stream   grpc.ClientStream
	versions func(string) string
	asked    map[string]map[string]bool
	hosts    bool
}

// delta subscribes as Envoy does: clusters and listeners without names, what they refer to by name, and virtual hosts
// once, without names, when the first RouteConfiguration comes that leaves them to VHDS.
func (e *envoy) delta(stream grpc.ClientStream, versions func(string) string) error {
	c := &conversation{e, stream, versions, map[string]map[string]bool{eds: {}, rds: {}}, false}
	if err := c.open(); err != nil {
		return err
	}
	for {
		r, err := e.receive(stream)
		if err != nil {
			return err
		}
		came, err := e.take(r)
		if err != nil {
			return err
		}
		if err := c.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: r.typeURL, ResponseNonce: r.nonce}); err != nil {
			return err
		}
		e.fleet.saw(came, e.readAt)
		if err := c.follow(r.typeURL, came); err != nil {
			return err
		}
	}
}

func (c *conversation) send(r *discoveryv3.DeltaDiscoveryRequest) error { return c.stream.SendMsg(r) }

func (c *conversation) open() error {
	first := &discoveryv3.DeltaDiscoveryRequest{Node: c.node(), TypeUrl: cds, InitialResourceVersions: c.known(cds)}
	if err := c.send(first); err != nil {
		return err
	}
	second := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: lds, InitialResourceVersions: c.known(lds)}
	if err := c.send(second); err != nil {
		return err
	}
	if c.versions == nil {
		return nil
	}
	// Who comes back has what it had, and asks for all of it at once.
	if err := c.subscribe(eds, c.wanted(cds)); err != nil {
		return err
	}
	if err := c.subscribe(rds, c.wanted(lds)); err != nil {
		return err
	}
	if len(c.held[vhds]) > 0 {
		return c.askForHosts()
	}
	return nil
}

// known are the versions that the first request of a type brings along.
func (c *conversation) known(typeURL string) map[string]string {
	if c.versions == nil {
		return nil
	}
	versions := make(map[string]string, len(c.held[typeURL]))
	for name, one := range c.held[typeURL] {
		versions[name] = c.versions(one.version)
	}
	return versions
}

// follow asks for what the response makes it want.
func (c *conversation) follow(typeURL string, came []*resource) error {
	switch typeURL {
	case cds:
		return c.subscribe(eds, c.wanted(cds))
	case lds:
		return c.subscribe(rds, c.wanted(lds))
	case rds:
		for _, one := range came {
			if one.vhds && !c.hosts {
				return c.askForHosts()
			}
		}
	}
	return nil
}

func (c *conversation) askForHosts() error {
	c.hosts = true
	return c.send(&discoveryv3.DeltaDiscoveryRequest{TypeUrl: vhds, InitialResourceVersions: c.known(vhds)})
}

// subscribe makes the names those that it is subscribed to, by saying what differs.
func (c *conversation) subscribe(typeURL string, names []string) error {
	asked := c.asked[typeURL]
	isFirst := len(asked) == 0
	wanted := make(map[string]bool, len(names))
	r := &discoveryv3.DeltaDiscoveryRequest{TypeUrl: typeURL}
	for _, name := range names {
		wanted[name] = true
		if !asked[name] {
			r.ResourceNamesSubscribe = append(r.ResourceNamesSubscribe, name)
		}
	}
	for name := range asked {
		if !wanted[name] {
			r.ResourceNamesUnsubscribe = append(r.ResourceNamesUnsubscribe, name)
		}
	}
	if len(r.ResourceNamesSubscribe)+len(r.ResourceNamesUnsubscribe) == 0 {
		return nil
	}
	if isFirst {
		r.InitialResourceVersions = c.known(typeURL)
	}
	c.asked[typeURL] = wanted
	c.drop(typeURL, r.ResourceNamesUnsubscribe)
	return c.send(r)
}

// drop forgets what it no longer subscribes to.
func (c *conversation) drop(typeURL string, names []string) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for _, name := range names {
		delete(c.held[typeURL], name)
	}
}
