-- sweep removes what retention is over for: old events, old dead letters, ids, and, when
-- room is wanted, the oldest events of which only dead letters are left. It works in
-- bounded steps. KEYS: the seven of publish, then five for each group (g, dead, died,
-- works, took). ARGV: ttl, age, most, whether room is wanted.
-- Returns whether there may be more to do.
local meta, log, kept, ids, seen, groups, pins = unpack(KEYS, 1, 7)
local ttl, age, most = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local step = 256
local t = now()
local s = load(meta)
local more = 0

local function group(i) return unpack(KEYS, i, i + 4) end

-- exhume removes a group's dead letter for good and counts it as expired.
local function exhume(i, seq)
  local g, dead, died, works = group(i)
  redis.call('ZREM', dead, seq)
  redis.call('ZREM', died, seq)
  redis.call('HDEL', works, seq)
  redis.call('HINCRBY', g, 'expired', 1)
  unpin(pins, kept, seq)
end

-- onlydead reports whether no group has anything but a dead letter of an event.
local function onlydead(seq)
  for i = 8, #KEYS, 5 do
    local _, dead, _, works = group(i)
    if redis.call('HEXISTS', works, seq) == 1 and not redis.call('ZSCORE', dead, seq) then return false end
  end
  return true
end

expire(s, log, kept, ids, seen, groups, pins, step, age, t, ttl)
if age > 0 and s.head > 0 and s.head < t - age and lowest(groups) > s.trimmed then more = 1 end
purge(ids, seen, t, ttl, step)

for i = 8, #KEYS, 5 do
  local g, dead, died, works, took = group(i)
  redis.call('ZREMRANGEBYSCORE', took, '-inf', num(s.trimmed))
  if age > 0 then
    local old = redis.call('ZRANGEBYSCORE', died, '-inf', '(' .. num(t - age), 'LIMIT', 0, step)
    for _, seq in ipairs(old) do exhume(i, seq) end
    if #old == step then more = 1 end
  end
end

if ARGV[4] == '1' then
  for _, e in ipairs(redis.call('XRANGE', kept, '-', '+', 'COUNT', step)) do
    if redis.call('XLEN', log) + redis.call('XLEN', kept) < most then break end
    local seq = seqof(e[1])
    if onlydead(seq) then
      for i = 8, #KEYS, 5 do
        local _, dead = group(i)
        if redis.call('ZSCORE', dead, seq) then exhume(i, seq) end
      end
    end
  end
end
save(meta, s)
return more
