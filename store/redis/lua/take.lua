-- take leases events to a consumer. ARGV: group, how many, lease, token, the longest pause. What is scheduled
-- for later than that was so before the clock was set back, and is due.
-- Returns the epoch, the cursor, how long until something is due (-1: nothing is), and
-- the items as sequence, attempt, whether a lease ran out, record. Without the group it
-- returns the epoch only.
local meta, log, kept, groups, pins, g, lease, due, retry, works = unpack(KEYS)
local name, n, span, token = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4]
local t = now()
local far = t + tonumber(ARGV[5])
local m = redis.call('HMGET', meta, 'epoch', 'accepted')
local epoch, accepted = m[1] or '', tonumber(m[2] or 0)
local cursor = redis.call('HGET', groups, name)
if not cursor then return { epoch } end
local items = {}

local function hand(seq, attempts, crashed, rec)
  items[#items + 1] = tonumber(seq)
  items[#items + 1] = attempts
  items[#items + 1] = crashed
  items[#items + 1] = rec
  redis.call('ZADD', lease, num(t + span), seq)
end

-- resume leases an event that was tried before. What has neither a record nor work left
-- is not there any more.
local function resume(seq, more, crashed)
  local value, e = redis.call('HGET', works, seq), entry(log, seq) or entry(kept, seq)
  if not value or not e then
    redis.call('HDEL', works, seq)
    redis.call('ZREM', lease, seq)
    return
  end
  local attempts, _, reason = parse(value)
  redis.call('HSET', works, seq, work(attempts + more, token, reason))
  hand(seq, attempts + more, crashed, e[2][E])
end

-- First what a crash left behind.
for _, seq in ipairs(redis.call('ZRANGEBYSCORE', lease, '-inf', num(t), 'LIMIT', 0, n)) do
  resume(seq, 0, 1)
end

for _, seq in ipairs(redis.call('ZRANGEBYSCORE', lease, '(' .. num(far + span), '+inf', 'LIMIT', 0, n - #items / 4)) do
  resume(seq, 0, 1)
end

-- New events and due retries share what is left, so that neither a backlog nor a storm
-- of failures starves the other.
local left = n - #items / 4
local rank = tonumber(redis.call('HGET', g, 'rank'))
local fresh = math.min(accepted - rank, left)
local ready = left > 0 and redis.call('ZRANGEBYSCORE', due, '-inf', num(t), 'LIMIT', 0, left) or {}
if #ready < left then
  for _, seq in ipairs(redis.call('ZRANGEBYSCORE', due, '(' .. num(far), '+inf', 'LIMIT', 0, left - #ready)) do
    ready[#ready + 1] = seq
  end
end
local share = left - fresh
if #ready > share then
  share = math.max(share, math.floor(left / 2))
  if left == 1 and fresh == 1 then share = t % 2 end
end
for i = 1, math.min(#ready, share) do
  redis.call('ZREM', due, ready[i])
  redis.call('ZREM', retry, ready[i])
  resume(ready[i], 1, 0)
end

left = n - #items / 4
if left > 0 and accepted > rank then
  local list = redis.call('XRANGE', log, num(cursor + 1), '+', 'COUNT', left)
  for _, e in ipairs(list) do
    local seq = seqof(e[1])
    redis.call('HSET', works, seq, work(1, token, ''))
    redis.call('HINCRBY', pins, seq, 1)
    hand(seq, 1, 0, e[2][E])
  end
  if #list > 0 then
    cursor = seqof(list[#list][1])
    redis.call('HSET', groups, name, cursor)
    redis.call('HSET', g, 'rank', num(rankof(list[#list][1])))
  end
end

local wait = -1
if #items > 0 then
  redis.call('HSET', g, 'moved', num(t))
else
  for _, set in ipairs({ lease, due }) do
    local first = redis.call('ZRANGE', set, 0, 0, 'WITHSCORES')
    if first[2] and (wait < 0 or first[2] - t < wait) then wait = math.max(first[2] - t, 0) end
  end
end
return { epoch, tonumber(cursor), wait, items }
