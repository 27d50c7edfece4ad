-- ARGV: key. Returns nothing, or version, when it expires, and the value.
local version, expires, _, value = live(ARGV[1], now())
if not version then return {} end
return { version, expires, value }
