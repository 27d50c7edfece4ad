-- register makes a group unless it exists. ARGV: name, kind and value of its start, the
-- epoch that the value is of, the epoch for a new store.
-- Returns 1, or 0 when the start is not kept; then epoch and trimmed.
local meta, log, groups, g = unpack(KEYS)
local s = load(meta)
if not s.epoch then s.epoch, s.changed = ARGV[5], true end
save(meta, s)
if redis.call('HEXISTS', groups, ARGV[1]) == 1 then return { 1, s.epoch, s.trimmed } end
local at
if ARGV[4] == '' or ARGV[4] == s.epoch then at = locate(log, s, ARGV[2], tonumber(ARGV[3])) end
if not at then return { 0, s.epoch, s.trimmed } end
local e = redis.call('XRANGE', log, num(at + 1), '+', 'COUNT', 1)[1]
local rank = e and rankof(e[1]) - 1 or s.accepted
redis.call('HSET', groups, ARGV[1], num(at))
redis.call('HSET', g, 'start', num(at), 'base', num(rank), 'rank', num(rank), 'adopted', 0, 'expired', 0, 'moved', num(now()))
return { 1, s.epoch, s.trimmed }
