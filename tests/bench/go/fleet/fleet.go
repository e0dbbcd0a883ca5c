package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// fleet is what its envoys share.
type fleet struct {
	address string
	sotw    bool
	name    string   // of a node, with %d for its number
	without []string // endpoints that nobody subscribes to
	rate    int      // bytes that each connection reads a second; 0: all
	library library
	storm   storm
	gate    gate
	envoys  []*envoy

	messages, bytes, lastAt atomic.Int64
	mark                    atomic.Pointer[mark]
	follows                 atomic.Bool // the API server

	mutex     sync.Mutex
	resources map[string]int // received, by type URL
	ends      []string       // with what words the server ended streams
}

func (f *fleet) node(number int) string {
	if strings.Contains(f.name, "%d") {
		return fmt.Sprintf(f.name, number)
	}
	return f.name
}

func (f *fleet) start(count int) {
	for number := range count {
		e := &envoy{fleet: f, number: number, redial: make(chan redial), held: map[string]map[string]*resource{}}
		f.envoys = append(f.envoys, e)
		go e.run()
	}
}

// reconnect has all envoys leave and come back at once, and returns when all have left.
func (f *fleet) reconnect(versions func(string) string) {
	var done sync.WaitGroup
	done.Add(len(f.envoys))
	for _, e := range f.envoys {
		go func() { e.redial <- redial{versions, done.Done} }()
	}
	done.Wait()
}

func (f *fleet) count(r response, size int) {
	f.messages.Add(1)
	f.bytes.Add(int64(size))
	f.lastAt.Store(time.Now().UnixNano())
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.resources[r.typeURL] += len(r.resources) + len(r.removed)
}

func (f *fleet) ended(err error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	f.ends = append(f.ends, fmt.Sprint(err))
}

// mark is a text that one change brings, and when each stream had acknowledged a resource with it. Times are nanoseconds
// since 1970.
type mark struct {
	text  []byte
	wants int
	line  chan int64 // when the API server's line had come to the bare watch; nil: nobody watches

	mutex sync.Mutex
	at    []int64
	bytes []int64 // when the response was read from the socket
	done  chan struct{}
}

func (f *fleet) watch(text string, wants int) {
	m := &mark{text: []byte(text), wants: wants, done: make(chan struct{})}
	if f.follows.Load() {
		m.line = make(chan int64, 1)
	}
	f.mark.Store(m)
}

// saw is called with what a stream just acknowledged, and when it was read from the socket.
func (f *fleet) saw(came []*resource, readAt int64) {
	m := f.mark.Load()
	if m == nil || !slices.ContainsFunc(came, func(one *resource) bool { return one.holds(m) }) {
		return
	}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.at = append(m.at, clock())
	m.bytes = append(m.bytes, readAt)
	if len(m.at) == m.wants {
		close(m.done)
	}
}

// await gives the times of the mark's ACKs and first bytes, each in order, when it was seen as often as wanted or the
// time is over.
func (m *mark) await(patience time.Duration) (at, bytes []int64) {
	select {
	case <-m.done:
	case <-time.After(patience):
	}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	return slices.Sorted(slices.Values(m.at)), slices.Sorted(slices.Values(m.bytes))
}

// lineAt waits for the API server's line, which may come after its change; 0 without a watch, or when the time is over.
func (m *mark) lineAt(patience time.Duration) int64 {
	if m.line == nil {
		return 0
	}
	select {
	case at := <-m.line:
		return at
	case <-time.After(patience):
		return 0
	}
}

// quiet waits until nothing has come for so long, and something ever did.
func (f *fleet) quiet(long, patience time.Duration) bool {
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(20 * time.Millisecond) {
		if last := f.lastAt.Load(); last != 0 && time.Since(time.Unix(0, last)) >= long {
			return true
		}
	}
	return false
}

// holding counts the envoys whose clusters have exactly these first endpoints.
func (f *fleet) holding(addresses map[string]string) int {
	return count(f.envoys, func(e *envoy) bool {
		e.mutex.Lock()
		defer e.mutex.Unlock()
		for cluster, address := range addresses {
			if one := e.held[eds][cluster]; one == nil || one.address != address {
				return false
			}
		}
		return true
	})
}

func count[T any](all []T, is func(T) bool) (number int) {
	for _, one := range all {
		if is(one) {
			number++
		}
	}
	return number
}

// gate keeps all envoys from reading while it is shut.
type gate struct {
	mutex sync.Mutex
	shut  chan struct{} // closed when it opens; nil: open
}

func (g *gate) wait(ctx context.Context) {
	g.mutex.Lock()
	shut := g.shut
	g.mutex.Unlock()
	if shut != nil {
		select {
		case <-shut:
		case <-ctx.Done():
		}
	}
}

func (g *gate) close() {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if g.shut == nil {
		g.shut = make(chan struct{})
	}
}

func (g *gate) open() {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if g.shut != nil {
		close(g.shut)
		g.shut = nil
	}
}
