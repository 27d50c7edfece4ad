-- start finds where a reader begins. ARGV: kind, value, the epoch that the value is of.
-- Returns epoch, trimmed, last, and the start or -1 when it is not kept.
local meta, log = unpack(KEYS)
local s = load(meta)
local at
if ARGV[3] == '' or ARGV[3] == s.epoch then at = locate(log, s, ARGV[1], tonumber(ARGV[2])) end
return { s.epoch or '', s.trimmed, s.seq, at or -1 }
