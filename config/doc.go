// Package config is where the program's settings are described, read and judged.
//
// One table ([Settings]) has a row for each setting; the row yields its flag, its
// environment variable and .env key, its default, its help line, its check, its place
// in docs/configuration.md and .env.example, and whether it is a secret. So none of
// these can drift from another.
//
// [Load] reads the sources it is given and nothing else: flag before environment
// before .env file before default. A secret may come from a file that VAR_FILE names
// and has no flag, because the arguments of a process are open to everyone on the
// machine. Load reports every problem at once, each with its remedy, as an [*Error].
//
// Secrets are held in types that print redacted in every format; [Secret.Reveal] is
// the only way to their text. The package promises that no error, warning or
// generated document of its own contains one. It does not promise that a value put
// into a plain setting by mistake stays hidden.
//
// The .env dialect is the shell's without expansion: KEY=value, an optional export,
// single quotes literal, double quotes with JSON's escapes, a comment after a space
// and #. A dollar sign is a dollar sign.
//
// It imports the standard library and the .env parser only.
package config
