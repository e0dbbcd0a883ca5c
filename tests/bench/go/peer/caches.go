package main

import (
	"context"
	"fmt"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/cache/v3"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
)

// served is a cache, and how to replace the endpoints of a cluster in it.
type served interface {
	cache() cache.Cache
	replace(*endpointv3.ClusterLoadAssignment) error
}

type snapshots struct {
	snapshot  cache.Snapshot
	endpoints []types.Resource
	version   int
	all       cache.SnapshotCache
}

// everyone is one group: all nodes have the same snapshot.
type everyone struct{}

func (everyone) ID(*corev3.Node) string { return "" }

func newSnapshots(ctx context.Context, all map[resource.Type][]types.Resource) (*snapshots, error) {
	built, err := cache.NewSnapshot("0", all)
	if err != nil {
		return nil, err
	}
	s := &snapshots{*built, all[resource.EndpointType], 0, cache.NewSnapshotCache(true, everyone{}, nil)}
	return s, s.all.SetSnapshot(ctx, "", built)
}

func (s *snapshots) cache() cache.Cache { return s.all }

// replace makes a snapshot in which only the endpoints have a new version.
func (s *snapshots) replace(changed *endpointv3.ClusterLoadAssignment) error {
	s.version++
	for at, one := range s.endpoints {
		if one.(*endpointv3.ClusterLoadAssignment).ClusterName == changed.ClusterName {
			s.endpoints[at] = changed
		}
	}
	next := s.snapshot
	next.VersionMap = nil
	next.Resources[types.Endpoint] = cache.NewResources(fmt.Sprint(s.version), s.endpoints)
	return s.all.SetSnapshot(context.Background(), "", &next)
}

type linears struct {
	mux       cache.MuxCache
	endpoints *cache.LinearCache
}

func newLinears(all map[resource.Type][]types.Resource) *linears {
	l := &linears{mux: cache.MuxCache{
		Classify:      func(r *cache.Request) string { return r.GetTypeUrl() },
		ClassifyDelta: func(r *cache.DeltaRequest) string { return r.GetTypeUrl() },
		Caches:        map[string]cache.Cache{},
	}}
	for typeURL, found := range all {
		named := map[string]types.Resource{}
		for _, one := range found {
			named[cache.GetResourceName(one)] = one
		}
		linear := cache.NewLinearCache(typeURL, cache.WithInitialResources(named))
		l.mux.Caches[typeURL] = linear
		if typeURL == resource.EndpointType {
			l.endpoints = linear
		}
	}
	return l
}

func (l *linears) cache() cache.Cache { return &l.mux }

func (l *linears) replace(changed *endpointv3.ClusterLoadAssignment) error {
	return l.endpoints.UpdateResource(changed.ClusterName, changed)
}
