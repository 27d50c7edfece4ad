// Package tcp makes the connections of an HTTP server cheaper, on Linux. What it changes
// is when things are done, not what is done: its connections keep the contract of
// net.Conn, but that what they tell may come later by a tenth of a second.
//
//   - Sockets are read and written without telling the scheduler of a system call: they
//     never block, and so nobody has to watch whether they do. A monitor thread that
//     finds many short system calls polls fifty thousand times a second.
//   - A deadline is only written down. It reaches the runtime's poller when somebody waits,
//     and only when the poller has a later one. net/http sets seven of them for a request.
//   - A read of a single byte without a deadline, by which net/http listens for the end of
//     a client while a request is served, asks the kernel only when the request takes
//     longer than a moment. So a client that goes away is noticed up to a tenth of a second
//     later, and so is a deadline in the future that is set meanwhile. Over TLS reads are
//     longer, and ask at once.
//
// Elsewhere than on Linux connections are left as they are.
package tcp
