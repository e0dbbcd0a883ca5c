// Command peer is go-control-plane with what another server has, which it asks first. On standard input it takes
// "change CLUSTER ADDRESS": the cluster's first endpoint gets that address.
package main

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"strings"

	endpointv3 "github.com/envoyproxy/go-control-plane/envoy/config/endpoint/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"github.com/envoyproxy/go-control-plane/pkg/cache/types"
	"github.com/envoyproxy/go-control-plane/pkg/resource/v3"
	"github.com/envoyproxy/go-control-plane/pkg/server/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

func main() {
	address := flag.String("address", "127.0.0.1:18000", "to listen at")
	from := flag.String("from", "", "address of the server that has the resources")
	linear := flag.Bool("linear", false, "linear caches, one for each type, instead of the snapshot cache")
	flag.Parse()
	log.SetFlags(0)
	ctx := context.Background()
	all, err := fetch(ctx, *from)
	if err != nil {
		log.Fatal(err)
	}
	s, err := serve(ctx, *address, all, *linear)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("ready")
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		words := strings.Fields(input.Text())
		if err := s.replace(changed(all[resource.EndpointType], words[1], words[2])); err != nil {
			log.Fatal(err)
		}
	}
}

func serve(ctx context.Context, address string, all map[resource.Type][]types.Resource, linear bool) (s served, err error) {
	if linear {
		s = newLinears(all)
	} else if s, err = newSnapshots(ctx, all); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	g := grpc.NewServer()
	discoveryv3.RegisterAggregatedDiscoveryServiceServer(g, server.NewServer(ctx, s.cache(), nil))
	go func() { log.Fatal(g.Serve(listener)) }()
	return s, nil
}

func changed(endpoints []types.Resource, cluster, address string) *endpointv3.ClusterLoadAssignment {
	for _, one := range endpoints {
		if a := one.(*endpointv3.ClusterLoadAssignment); a.ClusterName == cluster {
			next := proto.Clone(a).(*endpointv3.ClusterLoadAssignment)
			next.Endpoints[0].LbEndpoints[0].GetEndpoint().GetAddress().GetSocketAddress().Address = address
			return next
		}
	}
	log.Fatalf("no cluster %s", cluster)
	return nil
}
