package main

import (
	"slices"

	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/grpc"
)

// world converses in the state-of-the-world variant. It brings no versions along when it comes back.
func (e *envoy) world(stream grpc.ClientStream, _ func(string) string) error {
	for _, typeURL := range []string{cds, lds} {
		if err := stream.SendMsg(&discoveryv3.DiscoveryRequest{Node: e.node(), TypeUrl: typeURL}); err != nil {
			return err
		}
	}
	last := map[string]*discoveryv3.DiscoveryRequest{}
	for {
		r, err := e.receive(stream)
		if err != nil {
			return err
		}
		came, err := e.take(r)
		if err != nil {
			return err
		}
		ack := &discoveryv3.DiscoveryRequest{
			TypeUrl: r.typeURL, VersionInfo: r.version, ResponseNonce: r.nonce, ResourceNames: last[r.typeURL].GetResourceNames(),
		}
		last[r.typeURL] = ack
		if err := stream.SendMsg(ack); err != nil {
			return err
		}
		e.fleet.saw(came, e.readAt)
		if err := e.ask(stream, last, r.typeURL); err != nil {
			return err
		}
	}
}

// ask names what clusters or listeners refer to, if that isn't what was named before.
func (e *envoy) ask(stream grpc.ClientStream, last map[string]*discoveryv3.DiscoveryRequest, because string) error {
	typeURL, ok := map[string]string{cds: eds, lds: rds}[because]
	if !ok {
		return nil
	}
	names, before := e.wanted(because), last[typeURL]
	if slices.Equal(names, before.GetResourceNames()) {
		return nil
	}
	last[typeURL] = &discoveryv3.DiscoveryRequest{
		TypeUrl: typeURL, ResourceNames: names, VersionInfo: before.GetVersionInfo(), ResponseNonce: before.GetResponseNonce(),
	}
	return stream.SendMsg(last[typeURL])
}
