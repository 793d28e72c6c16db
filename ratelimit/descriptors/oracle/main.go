// Command oracle is envoyproxy/ratelimit itself, asked by the tests of Gatehouse's: what it makes of files, which limit it finds, and what it
// answers. It stands in a module of its own, as nothing of it belongs into Gatehouse: it panics, reads the environment and has
// global loggers, and it needs other versions of libraries.
//
// It logs to the standard error, of which there is much.
//
// What flows in: one JSON object on each line of the standard input, a question. What flows out: one line for each, the answer.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand"
	"os"
	"sync/atomic"
	"time"

	ratelimitcommonv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	rlsv3 "github.com/envoyproxy/go-control-plane/envoy/service/ratelimit/v3"
	"github.com/envoyproxy/ratelimit/src/config"
	"github.com/envoyproxy/ratelimit/src/limiter"
	"github.com/envoyproxy/ratelimit/src/provider"
	"github.com/envoyproxy/ratelimit/src/redis"
	service "github.com/envoyproxy/ratelimit/src/service"
	"github.com/envoyproxy/ratelimit/src/settings"
	"github.com/envoyproxy/ratelimit/src/stats"
	gostats "github.com/lyft/gostats"
	"google.golang.org/protobuf/encoding/protojson"
)

// question is what is asked; one of its fields is set.
type question struct {
	Load  *load           // Load files, instead of those before.
	Find  *find           // Find the limit of a descriptor.
	Serve *serve          // Answer requests by the files from now on, with nothing spent.
	At    int64           // Let it be this time, in seconds since 1970.
	Ask   json.RawMessage // Answer a RateLimitRequest.
}

type load struct {
	Files []struct{ Name, Text string }
	Merge bool
}

type find struct {
	Domain     string
	Descriptor json.RawMessage
}

type serve struct {
	Redis string // The path of its socket.
	Stop  bool   // STOP_CACHE_KEY_INCREMENT_WHEN_OVERLIMIT.
}

// answer is what is said to a question.
type answer struct {
	Error string          `json:",omitempty"` // What it refuses a file, or a request, for.
	Fell  bool            `json:",omitempty"` // Error is a panic that would have ended it.
	Found *found          `json:",omitempty"`
	Says  json.RawMessage `json:",omitempty"` // The RateLimitResponse.
	Key   string          `json:",omitempty"` // By which it counts.
}

type found struct {
	Limit                              json.RawMessage
	Unlimited, Shadow, Quota, Detailed bool
	Replaces                           []string
	Series                             string
	Shared                             []string
}

// clock is its time.
type clock struct{ seconds atomic.Int64 }

func (c *clock) UnixNow() int64 { return c.seconds.Load() }

// given is a configuration that does not change.
type given chan provider.ConfigUpdateEvent

func (g given) ConfigUpdateEvent() <-chan provider.ConfigUpdateEvent { return g }
func (given) Stop()                                                  {}

type event struct{ config config.RateLimitConfig }

func (e event) GetConfig() (config.RateLimitConfig, any) { return e.config, nil }

// oracle is the state between questions.
type oracle struct {
	stats   stats.Manager
	config  config.RateLimitConfig
	clock   clock
	redis   map[string]redis.Client
	served  int
	service rlsv3.RateLimitServiceServer
}

func main() {
	o := &oracle{
		stats: stats.NewStatManager(gostats.NewStore(gostats.NewNullSink(), false), settings.Settings{}),
		redis: map[string]redis.Client{},
	}
	in, out := json.NewDecoder(bufio.NewReader(os.Stdin)), json.NewEncoder(os.Stdout)
	for {
		var q question
		if err := in.Decode(&q); err != nil {
			return // The test has ended.
		}
		if err := out.Encode(o.answer(q)); err != nil {
			return
		}
	}
}

func (o *oracle) answer(q question) (a answer) {
	defer func() {
		switch cause := recover().(type) {
		case nil:
		case config.RateLimitConfigError:
			a = answer{Error: cause.Error()}
		default:
			a = answer{Error: fmt.Sprint(cause), Fell: true}
		}
	}()
	switch {
	case q.Load != nil:
		o.load(*q.Load)
	case q.Find != nil:
		return o.find(*q.Find)
	case q.Serve != nil:
		o.serve(*q.Serve)
	case q.At != 0:
		o.clock.seconds.Store(q.At)
	default:
		return o.ask(q.Ask)
	}
	return answer{}
}

// load does what its provider of files does.
func (o *oracle) load(l load) {
	o.config = nil
	var all []config.RateLimitConfigToLoad
	for _, f := range l.Files {
		all = append(all, config.RateLimitConfigToLoad{Name: f.Name, ConfigYaml: config.ConfigFileContentToYaml(f.Name, f.Text)})
	}
	o.config = config.NewRateLimitConfigLoaderImpl().Load(all, o.stats, l.Merge)
}

func (o *oracle) find(f find) answer {
	d := &ratelimitcommonv3.RateLimitDescriptor{}
	must(protojson.Unmarshal(f.Descriptor, d))
	l := o.config.GetLimit(context.Background(), f.Domain, d)
	if l == nil {
		return answer{}
	}
	limit, err := protojson.Marshal(l.Limit)
	must(err)
	keys := limiter.NewCacheKeyGenerator("")
	a := answer{Found: &found{
		Limit: limit, Unlimited: l.Unlimited, Shadow: l.ShadowMode, Quota: l.QuotaMode, Detailed: l.DetailedMetric,
		Replaces: l.Replaces, Series: l.FullKey, Shared: l.ShareThresholdKeyPattern,
	}}
	if !l.Unlimited {
		a.Key = keys.GenerateCacheKey(f.Domain, d, l, 0).Key
	}
	return a
}

func (o *oracle) serve(s serve) {
	client := o.redis[s.Redis]
	if client == nil {
		client = redis.NewClientImpl(gostats.NewStore(gostats.NewNullSink(), false).Scope("redis"), false, "", "unix", "SINGLE",
			s.Redis, 1, 0, 0, nil, false, nil, 10*time.Second, "WAIT", "")
		o.redis[s.Redis] = client
	}
	o.served++
	const longer = 1 << 30 // Seconds, by which nothing expires by Redis' own clock.
	cache := redis.NewFixedRateLimitCacheImpl(client, nil, &o.clock, rand.New(rand.NewSource(1)), longer, nil, 0.8,
		fmt.Sprintf("%d/", o.served), o.stats, s.Stop)
	events := make(given, 1)
	events <- event{o.config}
	o.service = service.NewService(cache, events, o.stats, nil, &o.clock, false, false, false)
}

func (o *oracle) ask(text json.RawMessage) answer {
	req := &rlsv3.RateLimitRequest{}
	must(protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(text, req)) // As it does on the wire.
	resp, err := o.service.ShouldRateLimit(context.Background(), req)
	if err != nil {
		return answer{Error: err.Error()}
	}
	says, err := protojson.Marshal(resp)
	must(err)
	return answer{Says: says}
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
