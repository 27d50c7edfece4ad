package rule

// Escape and Calm are what messages are made of.
var (
	Escape   = escape
	Calm     = calm
	Truncate = truncate
)
