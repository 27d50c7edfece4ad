// Package deploy checks what is in deploy/, the Procfile and the image: each file is
// read by the library of the program that it is made for, names no setting and no flag
// that the server does not have, and what it describes is run where that can be done
// without a container engine. It is a module of its own, so that these libraries stay
// out of the product's go.mod. It has no code but its tests.
package deploy
