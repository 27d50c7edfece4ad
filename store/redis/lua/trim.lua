-- The state of the log, read once and written once by a script.
local function load(meta)
  local m = redis.call('HMGET', meta, 'epoch', 'seq', 'accepted', 'mark', 'trimmed', 'head', 'passed')
  return {
    epoch = m[1], seq = tonumber(m[2] or 0), accepted = tonumber(m[3] or 0), mark = tonumber(m[4] or 0),
    trimmed = tonumber(m[5] or 0), head = tonumber(m[6] or 0), passed = tonumber(m[7] or 0), changed = false,
  }
end

local function save(meta, s)
  if not s.changed then return end
  redis.call('HSET', meta, 'epoch', s.epoch, 'seq', num(s.seq), 'accepted', num(s.accepted), 'mark', num(s.mark),
    'trimmed', num(s.trimmed), 'head', num(s.head), 'passed', num(s.passed))
end

-- A time that is later than now by more than this was given by a clock that was ahead.
local ahead = 3600 * 1000000

-- forget takes the id of an event that left the log out of the index, or remembers when
-- to: ids are seen for the whole of the TTL, whatever becomes of their events. That of an id
-- which a clock ahead accepted begins now.
local function forget(ids, seen, digest, id, t, ttl, early)
  local place = redis.call('HGET', ids, digest)
  if not place then return end
  local seq, at = string.match(place, '^(%d+):(%d+)$')
  if seq ~= seqof(id) then return end
  if early then
    at = t
    redis.call('HSET', ids, digest, seq .. ':' .. num(t))
  end
  if at + ttl <= t then
    redis.call('HDEL', ids, digest)
  else
    redis.call('XADD', seen, id, 'd', digest)
  end
end

-- purge forgets ids whose events have gone and whose TTL is over, at most n.
local function purge(ids, seen, t, ttl, n)
  if redis.call('XLEN', seen) == 0 then return end
  for _, e in ipairs(redis.call('XRANGE', seen, '-', '+', 'COUNT', n)) do
    local place = redis.call('HGET', ids, e[2][2])
    if place then
      local seq, at = string.match(place, '^(%d+):(%d+)$')
      if seq == seqof(e[1]) then
        if at + ttl > t then return end
        redis.call('HDEL', ids, e[2][2])
      end
    end
    redis.call('XDEL', seen, e[1])
  end
end

-- lowest is up to where all groups have begun their events.
local function lowest(groups)
  local low = math.huge
  for _, cursor in ipairs(redis.call('HVALS', groups)) do
    low = math.min(low, tonumber(cursor))
  end
  return low
end

-- trim takes the oldest events out of the log, at most n, and only those accepted
-- before a time when one is given, with those at the beginning that a clock ahead accepted. It stops at what a group has yet to begin. What a
-- group has begun and not finished is kept for it elsewhere. It returns how many left.
local function trim(s, log, kept, ids, seen, groups, pins, n, before, t, ttl)
  local low = lowest(groups)
  local list = redis.call('XRANGE', log, '-', '+', 'COUNT', n + 1)
  local removed, leading = 0, before ~= nil
  for i = 1, math.min(n, #list) do
    local id, f = list[i][1], list[i][2]
    local seq, at = seqof(id), tonumber(f[A])
    leading = leading and at > t + ahead
    if tonumber(seq) > low or (before and at >= before and not leading) then break end
    if redis.call('HEXISTS', pins, seq) == 1 then
      redis.call('XADD', kept, id, 'm', f[M], 'a', f[A], 'd', f[D], 'e', f[E])
    end
    forget(ids, seen, f[D], id, t, ttl, leading)
    removed = i
  end
  if removed == 0 then return 0 end
  local nxt = list[removed + 1]
  if nxt then
    redis.call('XTRIM', log, 'MINID', '=', nxt[1])
    s.trimmed, s.head = tonumber(seqof(nxt[1])) - 1, tonumber(nxt[2][A])
  else
    redis.call('XTRIM', log, 'MAXLEN', '=', 0)
    s.trimmed, s.head = s.seq, 0
  end
  s.changed = true
  return removed
end

-- pass has the head grow old like the first event behind it that no clock ahead accepted. It looks at
-- most at n events, and goes on behind them the next time.
local function pass(s, log, n, t)
  if s.head <= t + ahead then return end
  for _, e in ipairs(redis.call('XRANGE', log, num(math.max(s.passed, s.trimmed) + 1), '+', 'COUNT', n)) do
    local at = tonumber(e[2][A])
    s.changed = true
    if at <= t + ahead then
      s.head = at
      return
    end
    s.passed = tonumber(seqof(e[1]))
  end
end

-- expire trims what is older than age, if there is an age; at most n.
local function expire(s, log, kept, ids, seen, groups, pins, n, age, t, ttl)
  if age > 0 then pass(s, log, n, t) end
  if age > 0 and s.head > 0 and s.head < t - age then
    trim(s, log, kept, ids, seen, groups, pins, n, t - age, t, ttl)
  end
end
