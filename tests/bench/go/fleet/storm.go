package main

import (
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
)

// storm keeps when each stream had which of many changes. Change n (from 0) gives the cluster n modulo the number of
// clusters a first endpoint 1.x.y.z, whose last three bytes are n.
type storm struct {
	on       atomic.Bool
	mutex    sync.Mutex
	arrivals []arrival
}

// arrival is a change that a stream acknowledges, and the one that it had of that cluster before (-1: none).
type arrival struct {
	change, before int32
	at             int64
}

func (s *storm) begin() {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.arrivals = nil
	s.on.Store(true)
}

func (s *storm) received(_ *envoy, before, now *resource) {
	if !s.on.Load() {
		return
	}
	if change := changeOf(now); change >= 0 {
		s.mutex.Lock()
		defer s.mutex.Unlock()
		s.arrivals = append(s.arrivals, arrival{change, changeOf(before), clock()})
	}
}

func changeOf(r *resource) int32 {
	if r == nil || !strings.HasPrefix(r.address, "1.") {
		return -1
	}
	number := 0
	for _, part := range strings.Split(r.address, ".")[1:] {
		byte, err := strconv.Atoi(part)
		if err != nil {
			return -1
		}
		number = number<<8 | byte
	}
	return int32(number)
}

// delays are milliseconds from the oldest change that an arrival brings, merged ones included, to its acknowledgement.
func (s *storm) delays(madeAt []int64, clusters int32) []float64 {
	s.on.Store(false)
	s.mutex.Lock()
	defer s.mutex.Unlock()
	delays := make([]float64, 0, len(s.arrivals))
	for _, one := range s.arrivals {
		oldest := one.change % clusters
		if one.before >= 0 {
			oldest = one.before + clusters
		}
		delays = append(delays, float64(one.at-madeAt[oldest])/1e6)
	}
	slices.Sort(delays)
	return delays
}

func percentile(sorted []float64, share float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[min(len(sorted)-1, int(float64(len(sorted))*share))]
}
