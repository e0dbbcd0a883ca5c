package main

import (
	"context"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	listenerv3 "github.com/envoyproxy/go-control-plane/envoy/config/listener/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/anypb"
)

var typeURLs = []resource.Type{resource.ClusterType, resource.EndpointType, resource.ListenerType, resource.RouteType}

// fetch asks another server for all it has, so that this one serves the same.
func fetch(ctx context.Context, address string) (map[resource.Type][]types.Resource, error) {
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(1<<30)))
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	stream, err := discoveryv3.NewAggregatedDiscoveryServiceClient(connection).StreamAggregatedResources(ctx)
	if err != nil {
		return nil, err
	}
	all := map[resource.Type][]types.Resource{}
	for _, typeURL := range typeURLs {
		if all[typeURL], err = ask(stream, typeURL, names(all, typeURL)); err != nil {
			return nil, err
		}
	}
	return all, nil
}

type stream = discoveryv3.AggregatedDiscoveryService_StreamAggregatedResourcesClient

func ask(s stream, typeURL resource.Type, names []string) ([]types.Resource, error) {
	node := &corev3.Node{Id: "peer", Cluster: "peer"}
	if err := s.Send(&discoveryv3.DiscoveryRequest{Node: node, TypeUrl: typeURL, ResourceNames: names}); err != nil {
		return nil, err
	}
	r, err := s.Recv()
	if err != nil {
		return nil, err
	}
	ack := &discoveryv3.DiscoveryRequest{TypeUrl: typeURL, ResourceNames: names, VersionInfo: r.VersionInfo, ResponseNonce: r.Nonce}
	if err := s.Send(ack); err != nil {
		return nil, err
	}
	return decode(r.Resources)
}

func decode(packed []*anypb.Any) (found []types.Resource, err error) {
	for _, one := range packed {
		message, err := one.UnmarshalNew()
		if err != nil {
			return nil, err
		}
		found = append(found, message)
	}
	return found, nil
}

// names are those that Envoy asks for, given what it has.
func names(all map[resource.Type][]types.Resource, typeURL resource.Type) (found []string) {
	switch typeURL {
	case resource.EndpointType:
		for _, one := range all[resource.ClusterType] {
			found = append(found, one.(*clusterv3.Cluster).Name)
		}
	case resource.RouteType:
		for _, one := range all[resource.ListenerType] {
			for name := range cache.GetResourceReferences(map[string]types.ResourceWithTTL{"": {Resource: one.(*listenerv3.Listener)}})[resource.RouteType] {
				found = append(found, name)
			}
		}
	}
	return found
}
