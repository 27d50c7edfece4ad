// Package operate is how an operator's commands reach a running server: HTTP with JSON
// over the Unix socket operator.sock in DATA_DIR, which only the owner may open. No
// token is asked for there: a user who may open the socket may read the store's files.
//
// Every request is a POST to /v1/<route> with a JSON value as its body. A route made by
// [Call] answers one JSON value; one made by [Stream] answers lines of JSON as they
// come, and says at the end whether it is the end. What fails answers a [Error]. Bodies
// are bounded to 1 MiB, calls by a deadline, and streams in number.
//
// To add a command that needs the running server:
//
//  1. In server, where the socket is made (server/operate.go), give it a route:
//     b.socket.Handle("gaps", operate.Call(func(ctx context.Context, in gapsIn) (gapsOut, error) {…}))
//  2. In cmd, ask for it on the client that openOperator returned:
//     out, err := operate.Ask[gapsOut](ctx, client, "gaps", gapsIn{…})
//     or, of a Stream, operate.Follow[item](ctx, client, "watch", in, func(item) error {…}).
//
// A route that a server does not know, because it is older, is [ErrUnknownRoute].
// What works on the store alone needs no route of its own: [Client] is an operator's
// whole store.
package operate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
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
	// Hello is what it says of itself; Protocol and PID are filled in.
	Hello Hello
	// Queue is the store that is worked on. Required.
	Queue queue.Queue
	// Drain is how long consumers may finish what they hold when the server stops; 0
	// means 10 seconds.
	Drain time.Duration
	// Logger receives a line for each change; nil discards it.
	Logger *slog.Logger
	// OnChanged is called after an operator changed something, with the operation and the
	// group; nil is not called.
	OnChanged func(ctx context.Context, operation, group string, err error)
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
		panic("operate: route " + name + " is added twice or has no name")
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

const (
	// maxRequest bounds a request's body: a thousand positions are some 40 KiB.
	maxRequest = 1 << 20
	// callTimeout bounds a call that answers one value.
	callTimeout = 2 * time.Minute
)

// A Route answers one kind of request. [Call] and [Stream] make it.
type Route struct {
	// serve answers; stopping is closed when the server begins to stop.
	serve  func(stopping <-chan struct{}, w http.ResponseWriter, r *http.Request)
	stream bool
}

// Call makes a route that answers a JSON value with another. fn has two minutes, and
// less when the caller goes away.
func Call[In, Out any](fn func(ctx context.Context, in In) (Out, error)) Route {
	return Route{serve: func(_ <-chan struct{}, w http.ResponseWriter, r *http.Request) {
		in, err := read[In](w, r)
		if err != nil {
			refuse(w, err)
			return
		}
		ctx, cancel := context.WithTimeout(r.Context(), callTimeout)
		defer cancel()
		out, err := fn(ctx, in)
		if err != nil {
			refuse(w, err)
			return
		}
		answer(w, out)
	}}
}

// answer sends a value whole, or why it cannot be sent.
func answer(w http.ResponseWriter, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(append(body, '\n')) // who does not wait for the answer misses it
}

// Stream makes a route that answers with a line for each value that fn sends. send may
// be called concurrently and waits for a slow reader; it fails when the reader is gone.
// ctx ends when the reader goes away or the server stops.
func Stream[In, Out any](fn func(ctx context.Context, in In, send func(Out) error) error) Route {
	return stream(func(ctx, _ context.Context, in In, send func(Out) error) error { return fn(ctx, in, send) })
}

// stream is Stream for who has to know why ctx ended: reader ends only when the reader
// has gone away.
func stream[In, Out any](fn func(ctx, reader context.Context, in In, send func(Out) error) error) Route {
	return Route{stream: true, serve: func(stopping <-chan struct{}, w http.ResponseWriter, r *http.Request) {
		in, err := read[In](w, r)
		if err != nil {
			refuse(w, err)
			return
		}
		w.Header().Set("Content-Type", "application/x-ndjson")
		lines := &lineWriter{encode: json.NewEncoder(w), flush: http.NewResponseController(w).Flush}
		if lines.flush() != nil {
			return
		}
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		go either(ctx, stopping, cancel)
		err = fn(ctx, r.Context(), in, func(v Out) error { return lines.item(v) })
		if err == nil && closed(stopping) {
			err = fmt.Errorf("the server is stopping: %w", queue.ErrClosed)
		}
		last := line{End: true}
		if err != nil {
			last.Fault, _ = faultOf(err)
		}
		_ = lines.write(last) // who does not wait for the end misses it
	}}
}

// either cancels when stopping is closed, and waits until one of both has ended.
func either(ctx context.Context, stopping <-chan struct{}, cancel context.CancelFunc) {
	select {
	case <-stopping:
		cancel()
	case <-ctx.Done():
	}
}

func closed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// A line is one of a stream: an item, or the end with or without a fault.
type line struct {
	Item  json.RawMessage `json:"item,omitempty"`
	End   bool            `json:"end,omitempty"`
	Fault *Error          `json:"fault,omitempty"`
}

// A lineWriter writes lines, each whole and at once.
type lineWriter struct {
	mu     sync.Mutex
	encode *json.Encoder
	flush  func() error
}

func (l *lineWriter) item(v any) error {
	raw, err := json.Marshal(v)
	if err != nil {
		return err
	}
	return l.write(line{Item: raw})
}

func (l *lineWriter) write(v line) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(l.encode.Encode(v), l.flush())
}

// read decodes a request's body; an empty one is the zero value. It reads to the end,
// since only then the server notices a caller who goes away.
func read[In any](w http.ResponseWriter, r *http.Request) (in In, err error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err == nil && len(body) > 0 {
		err = json.Unmarshal(body, &in)
	}
	if err != nil {
		return in, fmt.Errorf("%w: %w", ErrRequest, err)
	}
	return in, nil
}

// Name is the socket's name within DATA_DIR.
const Name = "operator.sock"

// Path is where the server that keeps its state in a directory listens.
func Path(dataDir string) string { return filepath.Join(dataDir, Name) }

// longest is what the system takes as a socket's path: sun_path less its end
// (unix(7) on Linux; the BSDs, and macOS with them, have four bytes less).
func longest() int {
	if runtime.GOOS == "linux" || runtime.GOOS == "windows" {
		return 107
	}
	return 103
}

// ErrPath says that the data directory's name is too long for a socket in it.
var ErrPath = errors.New("the path is too long for a Unix socket")

func checkPath(path string) error {
	if n, most := len(path), longest(); n > most {
		return fmt.Errorf("%s: %w: it has %d bytes and the system takes %d: choose a DATA_DIR of at most %d",
			path, ErrPath, n, most, most-len(Name)-1)
	}
	return nil
}

// bind listens on a Unix socket that only the owner can open. It is made in a directory
// of its own and moved to its place whole, so that no client finds it half ready; one that
// an ended server has left there is replaced.
func bind(path string) (net.Listener, fs.FileInfo, error) {
	dir, err := os.MkdirTemp(filepath.Dir(path), ".s") // mode 0700
	if err != nil {
		return nil, nil, err
	}
	defer os.RemoveAll(dir)
	first := filepath.Join(dir, "s")
	if err := checkPath(first); err != nil {
		return nil, nil, err
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: first, Net: "unix"})
	if err != nil {
		return nil, nil, err
	}
	l.SetUnlinkOnClose(false)
	var info fs.FileInfo
	if err = os.Chmod(first, 0o600); err == nil {
		info, err = os.Lstat(first)
	}
	if err == nil {
		err = os.Rename(first, path)
	}
	if err != nil {
		return nil, nil, errors.Join(err, l.Close())
	}
	return l, info, nil
}

// unbind removes the socket, unless another server has put its own there.
func unbind(path string, ours fs.FileInfo) {
	if now, err := os.Lstat(path); err == nil && os.SameFile(now, ours) {
		_ = os.Remove(path) // what stays is replaced by the next server
	}
}
