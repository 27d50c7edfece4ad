// Package browser looks at the pages of the shipped binary with a real Chromium, as people do: the sandbox's workspace, the
// operator's console and /docs.
//
// Each page of a test must stay without a fault: no script error, no refused load, no request to another address, no
// dialog that a text could have opened. The pictures in docs/ are made by the same tests, with -pictures.
package browser
