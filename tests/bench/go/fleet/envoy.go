package main

import (
	"context"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
)

const (
	deltaMethod = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
	sotwMethod  = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
)

// The windows that Envoy 1.40 opens, in bytes, as its first frames say. Go's own begin at 64 KiB and grow by measuring:
// each message would be answered with a ping, which no Envoy sends.
const (
	streamWindow     = 16 << 20
	connectionWindow = 24 << 20
)

// envoy is one fake Envoy: a connection, a stream on it, and what it was given.
type envoy struct {
	fleet  *fleet
	number int
	redial chan redial
	byteAt atomic.Int64 // when bytes came last
	readAt int64        // the same of the response in hand

	mutex sync.Mutex
	held  map[string]map[string]*resource // by type URL and name
}

// redial tells an envoy to leave its stream and to come back.
type redial struct {
	versions func(string) string // of what it says it has; nil: it says nothing, and has nothing
	left     func()              // called when it has left
}

func asHeld(version string) string { return version }

// run converses on one stream after another, each on a new connection. When the server ends one it comes back as Envoy
// does, after a moment and with what it has.
func (e *envoy) run() {
	now := redial{}
	for {
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- e.connect(ctx, now.versions) }()
		select {
		case err := <-ended:
			e.fleet.ended(err)
			now = e.pause()
		case now = <-e.redial:
			cancel()
			<-ended
		}
		cancel()
		if now.versions == nil {
			e.forget()
		}
		now.left()
	}
}

func (e *envoy) pause() redial {
	select {
	case told := <-e.redial:
		return told
	case <-time.After(500*time.Millisecond + rand.N(500*time.Millisecond)):
		return redial{asHeld, func() {}}
	}
}

func (e *envoy) forget() {
	e.mutex.Lock()
	defer e.mutex.Unlock()
	clear(e.held)
}

// connect opens a connection of its own and a stream on it, and converses until that ends.
func (e *envoy) connect(ctx context.Context, versions func(string) string) error {
	connection, err := grpc.NewClient(e.fleet.address,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithInitialWindowSize(streamWindow),
		grpc.WithInitialConnWindowSize(connectionWindow),
		grpc.WithContextDialer(e.dial),
		grpc.WithDefaultCallOptions(grpc.WaitForReady(true), grpc.MaxCallRecvMsgSize(1<<30), grpc.ForceCodec(raw{})))
	if err != nil {
		return err
	}
	defer connection.Close()
	method, converse := deltaMethod, e.delta
	if e.fleet.sotw {
		method, converse = sotwMethod, e.world
	}
	stream, err := connection.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, method)
	if err != nil {
		return err
	}
	return converse(stream, versions)
}

// receive waits for the next response, and keeps from the next when the fleet has stopped reading.
func (e *envoy) receive(stream grpc.ClientStream) (response, error) {
	var data []byte
	e.fleet.gate.wait(stream.Context())
	if err := stream.RecvMsg(&data); err != nil {
		return response{}, err
	}
	e.readAt = e.byteAt.Load()
	r, err := parseResponse(data, !e.fleet.sotw)
	if err == nil {
		e.fleet.count(r, len(data))
	}
	return r, err
}

// take stores what came, and returns it.
func (e *envoy) take(r response) ([]*resource, error) {
	came := make([]*resource, 0, len(r.resources))
	for _, data := range r.resources {
		one, err := e.fleet.library.read(r.typeURL, data, !e.fleet.sotw)
		if err != nil {
			return nil, err
		}
		came = append(came, one)
	}
	e.mutex.Lock()
	defer e.mutex.Unlock()
	held := e.held[r.typeURL]
	if held == nil {
		held = make(map[string]*resource, len(came))
		e.held[r.typeURL] = held
	}
	complete := e.fleet.sotw && (r.typeURL == cds || r.typeURL == lds)
	if complete {
		clear(held)
	}
	for _, one := range came {
		if r.typeURL == eds {
			e.fleet.storm.received(e, held[one.name], one)
		}
		held[one.name] = one
	}
	for _, name := range r.removed {
		delete(held, name)
	}
	return came, nil
}

// wanted are the names that what it holds of one type makes it ask for of another, sorted.
func (e *envoy) wanted(because string) []string {
	names := map[string]bool{}
	for _, one := range e.held[because] {
		for _, name := range one.refs {
			if !slices.Contains(e.fleet.without, name) {
				names[name] = true
			}
		}
	}
	sorted := make([]string, 0, len(names))
	for name := range names {
		sorted = append(sorted, name)
	}
	slices.Sort(sorted)
	return sorted
}

func (e *envoy) node() *corev3.Node {
	return &corev3.Node{Id: e.fleet.node(e.number), Cluster: "fleet", UserAgentName: "envoy"}
}

func (e *envoy) dial(ctx context.Context, address string) (net.Conn, error) {
	connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	if e.fleet.rate > 0 {
		return &slowly{connection, e.fleet.rate, opening}, nil
	}
	return &stamped{connection, &e.byteAt}, nil
}

// stamped notes when bytes came.
type stamped struct {
	net.Conn
	at *atomic.Int64
}

func (s *stamped) Read(into []byte) (int, error) {
	size, err := s.Conn.Read(into)
	s.at.Store(clock())
	return size, err
}

// slowly gives so many bytes a second, after those that it takes to open a stream.
type slowly struct {
	net.Conn
	rate, free int
}

const opening = 4096

func (s *slowly) Read(into []byte) (int, error) {
	if s.free > 0 {
		size, err := s.Conn.Read(into[:min(len(into), s.free)])
		s.free -= size
		return size, err
	}
	time.Sleep(time.Second)
	return s.Conn.Read(into[:min(len(into), s.rate)])
}
