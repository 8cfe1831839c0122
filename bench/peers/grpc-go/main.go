// Command grpc-go is the benchmark's yardstick: a minimal ext_proc server on grpc-go with Moorline's behaviour for a request
// whose session id is in a header. A bounded LRU table with a sliding TTL binds sessions to endpoints, rendezvous
// hashing places new ones, the reply names the endpoint and one fallback more in the header and in the metadata, and the id
// goes back at response headers. It is what a careful Go engineer writes first, and no more: no health, no limits, no metrics.
package main

import (
	"container/list"
	"flag"
	"fmt"
	"hash/fnv"
	"io"
	"log"
	"net"
	"sort"
	"strings"
	"sync"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	extprocv3 "github.com/envoyproxy/go-control-plane/envoy/service/ext_proc/v3"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/structpb"
)

const (
	sessionHeader     = "x-session-id"
	destinationHeader = "x-gateway-destination-endpoint"
	maxSessions       = 100_000
	ttl               = time.Hour
	listed            = 3 // the endpoint and two fallbacks
)

type binding struct {
	session     string
	destination string
	expires     time.Time
}

// table maps sessions to destinations; the least recently used goes first.
type table struct {
	mu        sync.Mutex
	recent    *list.List // of *binding, most recent first
	bySession map[string]*list.Element
	endpoints []string
}

func newTable(endpoints []string) *table {
	return &table{recent: list.New(), bySession: make(map[string]*list.Element), endpoints: endpoints}
}

// route returns the ordered destination list of a session, binding it if it is new.
func (t *table) route(session string) string {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	if element, ok := t.bySession[session]; ok {
		bound := element.Value.(*binding)
		if now.Before(bound.expires) {
			bound.expires = now.Add(ttl)
			t.recent.MoveToFront(element)
			return bound.destination
		}
		t.recent.Remove(element)
	}
	placed := &binding{session: session, destination: t.place(session), expires: now.Add(ttl)}
	t.bySession[session] = t.recent.PushFront(placed)
	if t.recent.Len() > maxSessions {
		oldest := t.recent.Remove(t.recent.Back()).(*binding)
		delete(t.bySession, oldest.session)
	}
	return placed.destination
}

// place ranks the endpoints for a session by rendezvous hashing.
func (t *table) place(session string) string {
	scores := make(map[string]uint64, len(t.endpoints))
	for _, endpoint := range t.endpoints {
		hash := fnv.New64a()
		io.WriteString(hash, endpoint)
		io.WriteString(hash, "\x00")
		io.WriteString(hash, session)
		scores[endpoint] = hash.Sum64()
	}
	ranked := append([]string(nil), t.endpoints...)
	sort.Slice(ranked, func(i, j int) bool { return scores[ranked[i]] > scores[ranked[j]] })
	return strings.Join(ranked[:min(listed, len(ranked))], ",")
}

type server struct {
	extprocv3.UnimplementedExternalProcessorServer
	table *table
}

// Process serves one HTTP request.
func (s *server) Process(stream extprocv3.ExternalProcessor_ProcessServer) error {
	session := ""
	for {
		request, err := stream.Recv()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		var response *extprocv3.ProcessingResponse
		switch message := request.Request.(type) {
		case *extprocv3.ProcessingRequest_RequestHeaders:
			session = header(message.RequestHeaders.GetHeaders(), sessionHeader)
			response = requestReply(s.table.route(session))
		case *extprocv3.ProcessingRequest_ResponseHeaders:
			response = responseReply(session)
		default:
			continue // the filter sends headers only
		}
		if err := stream.Send(response); err != nil {
			return err
		}
	}
}

func header(headers *corev3.HeaderMap, name string) string {
	for _, header := range headers.GetHeaders() {
		if header.GetKey() == name {
			return string(header.GetRawValue())
		}
	}
	return ""
}

func requestReply(destination string) *extprocv3.ProcessingResponse {
	metadata := structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
		destinationHeader: structpb.NewStringValue(destination),
	}})
	return &extprocv3.ProcessingResponse{
		Response: &extprocv3.ProcessingResponse_RequestHeaders{
			RequestHeaders: &extprocv3.HeadersResponse{Response: setHeader(destinationHeader, destination)},
		},
		DynamicMetadata: &structpb.Struct{Fields: map[string]*structpb.Value{"envoy.lb": metadata}},
	}
}

func responseReply(session string) *extprocv3.ProcessingResponse {
	return &extprocv3.ProcessingResponse{
		Response: &extprocv3.ProcessingResponse_ResponseHeaders{
			ResponseHeaders: &extprocv3.HeadersResponse{Response: setHeader(sessionHeader, session)},
		},
	}
}

func setHeader(name, value string) *extprocv3.CommonResponse {
	return &extprocv3.CommonResponse{HeaderMutation: &extprocv3.HeaderMutation{
		SetHeaders: []*corev3.HeaderValueOption{{
			Header:       &corev3.HeaderValue{Key: name, RawValue: []byte(value)},
			AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
		}},
	}}
}

func main() {
	endpoints := flag.String("endpoints", "", "comma-separated ip:port of the pool's endpoints")
	flag.Parse()

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	grpcServer := grpc.NewServer()
	extprocv3.RegisterExternalProcessorServer(grpcServer, &server{table: newTable(strings.Split(*endpoints, ","))})
	fmt.Println("listening", listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(grpcServer.Serve(listener))
}
