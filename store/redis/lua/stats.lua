-- stats counts, without writing. KEYS: meta, log, kept, ids, groups, then five for each
-- group (g, lease, due, retry, dead). ARGV: the groups' names.
-- Returns epoch, accepted, trimmed events, events, seen ids, oldest, newest, and for each
-- group that exists: name, waiting, in flight, retrying, done, dead, expired, the record
-- of the oldest waiting event, since when something is due, and the time now.
local meta, log, kept, ids, groups = unpack(KEYS, 1, 5)
local t = now()
local m = redis.call('HMGET', meta, 'epoch', 'accepted')
local accepted = tonumber(m[2] or 0)
local first, last = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1], redis.call('XREVRANGE', log, '+', '-', 'COUNT', 1)[1]
local events = redis.call('XLEN', log)
local out = {
  m[1] or '', accepted, accepted - events, events, redis.call('HLEN', ids),
  first and tonumber(seqof(first[1])) or 0, last and tonumber(seqof(last[1])) or 0, {},
}

local function oldest(cursor, lease, retry)
  local seq = cursor + 1
  for _, s in ipairs(redis.call('ZRANGE', lease, 0, -1)) do seq = math.min(seq, tonumber(s)) end
  local r = redis.call('ZRANGE', retry, 0, 0)[1]
  if r then seq = math.min(seq, tonumber(r)) end
  if seq > cursor then return redis.call('XRANGE', log, num(seq), '+', 'COUNT', 1)[1] end
  return entry(log, num(seq)) or entry(kept, num(seq))
end

for i, name in ipairs(ARGV) do
  local g, lease, due, retry, dead = unpack(KEYS, 6 + (i - 1) * 5, 5 + i * 5)
  local cursor = redis.call('HGET', groups, name)
  if cursor then
    local h = redis.call('HMGET', g, 'base', 'rank', 'adopted', 'expired', 'moved')
    local inflight, retrying, buried = redis.call('ZCARD', lease), redis.call('ZCARD', due), redis.call('ZCARD', dead)
    local waiting = accepted - h[2] + inflight + retrying
    local done = accepted - h[1] + h[3] - waiting - buried - h[4]
    local e = oldest(tonumber(cursor), lease, retry)
    local since = 0
    local firstdue = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')[2]
    if firstdue and tonumber(firstdue) <= t then since = tonumber(firstdue) end
    local fresh = redis.call('XRANGE', log, num(cursor + 1), '+', 'COUNT', 1)[1]
    if fresh and (since == 0 or tonumber(fresh[2][M]) < since) then since = tonumber(fresh[2][M]) end
    if since > 0 then since = math.max(since, tonumber(h[5])) end
    local list = out[8]
    list[#list + 1] = { name, waiting, inflight, retrying, done, buried, tonumber(h[4]), e and e[2][E] or '', since, t }
  end
end
return out
