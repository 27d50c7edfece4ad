package socket

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"slackmcp/store/queue"
)

// Protocol is the version of what is spoken here; it is in every path.
const Protocol = 1

const (
	prefix = "/v1/"
	// maxCalls and maxStreams bound what is answered at once.
	maxCalls          = 64
	maxStreams        = 64
	readHeaderTimeout = 5 * time.Second
	helloRoute        = "hello"
)

// Hello is what a server says about itself.
type Hello struct {
	Protocol int    `json:"protocol"`
	Version  string `json:"version"`
	PID      int    `json:"pid"`
	// Backend and Topic name the store behind the socket.
	Backend string `json:"backend"`
	Topic   string `json:"topic"`
}

// Options configure a [Server].
type Options struct {
	// Path is where it listens; see [Path]. Its directory exists. Required.
	Path string
	// Hello is what it tells; Protocol and PID are filled in.
	Hello Hello
	// Queue is the store that is worked on. Required.
	Queue queue.Queue
	// Drain is how long consumers may finish what they hold when the server stops; 0
	// means 10 seconds.
	Drain time.Duration
	// Logger is told of what changes something; nil discards it.
	Logger *slog.Logger
	// Changed is told of what an operator changed: the operation, and the group; nil tells
	// nobody.
	Changed func(ctx context.Context, operation, group string, err error)
}

// A Server answers operators: New, Handle, Listen, Serve, in this order.
type Server struct {
	o        Options
	routes   map[string]Route
	calls    slots
	streams  slots
	listener net.Listener // nil until Listen
	file     fs.FileInfo
}

// New returns a server that has the routes of the store.
func New(o Options) *Server {
	if o.Drain == 0 {
		o.Drain = queue.DefaultDrain
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	o.Hello.Protocol, o.Hello.PID = Protocol, os.Getpid()
	s := &Server{o: o, routes: map[string]Route{}, calls: make(slots, maxCalls), streams: make(slots, maxStreams)}
	s.Handle(helloRoute, Call(func(context.Context, none) (Hello, error) { return o.Hello, nil }))
	s.serveQueue()
	return s
}

// Listen takes the socket's place in the file system. [ErrInUse] when another server
// answers there; [ErrPath] when the place has too long a name. Serve follows.
func (s *Server) Listen(ctx context.Context) (err error) {
	if err := checkPath(s.o.Path); err != nil {
		return err
	}
	if other, err := Dial(ctx, s.o.Path); err == nil {
		defer other.Close()
		return fmt.Errorf("%s: %w: process %d", s.o.Path, ErrInUse, other.Hello().PID)
	}
	s.listener, s.file, err = bind(s.o.Path)
	return err
}

// ErrInUse says that another server answers at the path.
var ErrInUse = errors.New("another server answers operators here")

// Handle adds a route, which [Call] or [Stream] makes. Names are lower case words with
// slashes between, such as "gaps" or "subscriptions/list". A name is added once.
func (s *Server) Handle(name string, route Route) {
	if _, twice := s.routes[name]; twice || name == "" {
		panic("socket: route " + name + " is added twice or has no name")
	}
	s.routes[name] = route
}

// Serve answers until ctx ends; then it ends the streams, lets calls and consumers
// finish what they hold within the drain time, removes the socket and returns nil. Without
// a listener it only waits.
func (s *Server) Serve(ctx context.Context) error {
	if s.listener == nil {
		<-ctx.Done()
		return nil
	}
	defer unbind(s.o.Path, s.file)
	srv := &http.Server{
		Handler: s.handler(ctx.Done()), ReadHeaderTimeout: readHeaderTimeout, MaxHeaderBytes: 16 << 10,
		ErrorLog: slog.NewLogLogger(s.o.Logger.Handler(), slog.LevelDebug),
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.Serve(s.listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.o.Drain+time.Second)
	defer cancel()
	s.streams.fill(drain) // consumers still say how their last attempts went
	unbind(s.o.Path, s.file)
	if err := srv.Shutdown(drain); err != nil {
		return errors.Join(fmt.Errorf("operators were cut off: %w", err), srv.Close())
	}
	return nil
}

// handler finds the route. stopping is closed when Serve is to end.
func (s *Server) handler(stopping <-chan struct{}) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, ok := strings.CutPrefix(r.URL.Path, prefix)
		route := s.routes[name]
		if !ok || route.serve == nil || r.Method != http.MethodPost {
			refuse(w, ErrUnknownRoute)
			return
		}
		free := s.calls
		if route.stream {
			free = s.streams
		}
		if !free.take() {
			refuse(w, ErrBusy)
			return
		}
		defer free.give()
		route.serve(stopping, w, r)
	})
}

// slots bound how many do something at once.
type slots chan struct{}

func (s slots) take() bool {
	select {
	case s <- struct{}{}:
		return true
	default:
		return false
	}
}

func (s slots) give() { <-s }

// fill takes every slot as it becomes free, until ctx ends.
func (s slots) fill(ctx context.Context) {
	for range cap(s) {
		select {
		case s <- struct{}{}:
		case <-ctx.Done():
			return
		}
	}
}
