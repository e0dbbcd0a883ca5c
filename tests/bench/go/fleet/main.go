// Command fleet is a fleet of fake Envoys, each with a connection of its own. It does what it is told on standard
// input, a command a line, and answers each with a line of JSON.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"log"
	"maps"
	"os"
	"strconv"
	"strings"
	"time"
)

func clock() int64 { return time.Now().UnixNano() }

type answer = map[string]any

func main() {
	f := &fleet{resources: map[string]int{}, library: library{known: map[string]*resource{}}}
	count := flag.Int("n", 100, "fake Envoys")
	without := flag.String("without", "", "clusters whose endpoints they don't subscribe to, by comma")
	stopped := flag.Bool("stopped", false, "never read")
	flag.StringVar(&f.address, "address", "127.0.0.1:18000", "of the server")
	flag.StringVar(&f.name, "node", "fleet-%d", "node id; %d is the number")
	flag.BoolVar(&f.sotw, "sotw", false, "state of the world instead of delta")
	flag.IntVar(&f.rate, "rate", 0, "bytes that each connection reads a second; 0: no limit")
	flag.Parse()
	if *without != "" {
		f.without = strings.Split(*without, ",")
	}
	if *stopped {
		f.gate.close()
	}
	f.start(*count)
	output := json.NewEncoder(os.Stdout)
	for input := bufio.NewScanner(os.Stdin); input.Scan(); {
		words := strings.Fields(input.Text())
		if len(words) == 0 {
			continue
		}
		result, err := f.do(words[0], words[1:])
		if err != nil {
			result = answer{"error": err.Error()}
		}
		if err := output.Encode(result); err != nil {
			log.Fatal(err)
		}
	}
}

// do runs one command. Durations are seconds, points in time nanoseconds since 1970.
func (f *fleet) do(command string, arguments []string) (answer, error) {
	run, ok := map[string]func([]string) (answer, error){
		"mark":      f.doMark,
		"await":     f.doAwait,
		"follow":    f.doFollow,
		"quiet":     f.doQuiet,
		"stat":      f.doStat,
		"reconnect": f.doReconnect,
		"stop":      func([]string) (answer, error) { f.gate.close(); return answer{}, nil },
		"read":      func([]string) (answer, error) { f.gate.open(); return answer{}, nil },
		"storm":     func([]string) (answer, error) { f.storm.begin(); return answer{}, nil },
		"delays":    f.doDelays,
		"holding":   f.doHolding,
	}[command]
	if !ok {
		return nil, fmt.Errorf("no such command: %s", command)
	}
	return run(arguments)
}

// mark TEXT COUNT: look for a resource with the text on so many streams.
func (f *fleet) doMark(arguments []string) (answer, error) {
	wants, err := strconv.Atoi(arguments[1])
	if err == nil {
		f.watch(arguments[0], wants)
	}
	return answer{}, err
}

// await PATIENCE: when the mark had been acknowledged, by how many; when its bytes had come, and the API server's line.
func (f *fleet) doAwait(arguments []string) (answer, error) {
	patience, err := seconds(arguments[0])
	if err != nil {
		return nil, err
	}
	m := f.mark.Load()
	at, bytes := m.await(patience)
	if len(at) == 0 {
		return answer{"count": 0}, nil
	}
	half, last := len(at)/2, len(at)-1
	return answer{
		"count": len(at), "first": at[0], "p50": at[half], "p99": at[len(at)*99/100], "last": at[last],
		"line": m.lineAt(patience), "first_byte": bytes[0], "p50_byte": bytes[half], "last_byte": bytes[last],
	}, nil
}

// follow URL CA TOKEN: watch a collection of the API server beside the streams; returns when the watch is open.
func (f *fleet) doFollow(arguments []string) (answer, error) {
	return answer{}, f.follow(arguments[0], arguments[1], arguments[2])
}

// quiet SECONDS PATIENCE: whether nothing came for so long, waiting for that.
func (f *fleet) doQuiet(arguments []string) (answer, error) {
	long, err := seconds(arguments[0])
	if err != nil {
		return nil, err
	}
	patience, err := seconds(arguments[1])
	return answer{"quiet": err == nil && f.quiet(long, patience), "last": f.lastAt.Load()}, err
}

func (f *fleet) doStat([]string) (answer, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	return answer{
		"messages": f.messages.Load(), "bytes": f.bytes.Load(), "last": f.lastAt.Load(),
		"resources": maps.Clone(f.resources), "ended": len(f.ends), "ends": f.ends[max(0, len(f.ends)-3):],
	}, nil
}

// reconnect nothing|known|stale: all at once, with what they say they have.
func (f *fleet) doReconnect(arguments []string) (answer, error) {
	switch arguments[0] {
	case "nothing":
		f.reconnect(nil)
	case "known":
		f.reconnect(asHeld)
	case "stale":
		f.reconnect(func(string) string { return "of-yesterday" })
	default:
		return nil, fmt.Errorf("reconnect with %s?", arguments[0])
	}
	return answer{}, nil
}

// delays CLUSTERS FILE: of the storm, whose changes were made at the times that the file lists (JSON).
func (f *fleet) doDelays(arguments []string) (answer, error) {
	clusters, err := strconv.Atoi(arguments[0])
	if err != nil {
		return nil, err
	}
	var madeAt []int64
	if err := load(arguments[1], &madeAt); err != nil {
		return nil, err
	}
	sorted := f.storm.delays(madeAt, int32(clusters))
	return answer{
		"count": len(sorted), "p50": percentile(sorted, 0.5), "p99": percentile(sorted, 0.99), "worst": percentile(sorted, 1),
	}, nil
}

// holding FILE: how many have these first endpoints, an address for each cluster (JSON).
func (f *fleet) doHolding(arguments []string) (answer, error) {
	var addresses map[string]string
	if err := load(arguments[0], &addresses); err != nil {
		return nil, err
	}
	return answer{"count": f.holding(addresses)}, nil
}

func load(path string, into any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

func seconds(text string) (time.Duration, error) {
	number, err := strconv.ParseFloat(text, 64)
	return time.Duration(number * float64(time.Second)), err
}
