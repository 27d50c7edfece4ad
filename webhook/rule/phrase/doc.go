// Package phrase executes Go templates on texts: the language of text/template, parsed by
// its parser, with texts, numbers, truths and one flat map of texts for values.
//
// text/template itself calls methods by their names, and a program that can do so keeps
// every exported method of every type that it links (docs/adr/0001-frameworks.md says
// what that came to). Here nothing has methods. That both say the same is tested against text/template, by examples and by
// fuzzing; but here an execution has bounds, since it is strangers who write the texts.
package phrase
