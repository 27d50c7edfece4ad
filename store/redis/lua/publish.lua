-- publish appends events unless their ids were seen within the TTL.
-- ARGV: epoch for a new store, ttl, age, most, the highest sequence that the caller knows
-- and the epoch it is of, and for each event: digest, time of receipt (0: now), record.
-- Returns the epoch, and for each event 0 stored, 1 duplicate or 2 full, and its sequence.
local meta, log, kept, ids, seen, groups, pins = unpack(KEYS)
local ttl, age, most, high = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local t = now()
local s = load(meta)
if s.epoch ~= ARGV[6] then high = 0 end
if not s.epoch then s.epoch = ARGV[1] end
local stored = 0

-- When somebody has seen a higher sequence than we have, the store lost its end (a
-- failover, or a crash with an unsynced log). Positions are never used twice, so the
-- sequence goes on well behind all that may have been seen.
local gap = 1000000

local function room()
  local size = redis.call('XLEN', log) + redis.call('XLEN', kept)
  for _ = 1, 8 do
    if size < most then return true end
    -- A large store gains some room at a time, a small one exactly what it needs.
    if trim(s, log, kept, ids, seen, groups, pins, math.floor(math.min(64, most / 100)) + 1, nil, t, ttl) == 0 then
      return false
    end
    size = redis.call('XLEN', log) + redis.call('XLEN', kept)
  end
  return size < most
end

local function append(digest, received, rec)
  if high > s.seq then s.seq = high + gap end
  if redis.call('XLEN', log) == 0 then s.trimmed, s.head = s.seq, t end
  s.seq, s.accepted, s.mark = s.seq + 1, s.accepted + 1, math.max(s.mark, received)
  redis.call('XADD', log, num(s.seq) .. '-' .. num(s.accepted), 'm', num(s.mark), 'a', num(t), 'd', digest, 'e', rec)
  redis.call('HSET', ids, digest, num(s.seq) .. ':' .. num(t))
  s.changed, stored = true, stored + 1
end

expire(s, log, kept, ids, seen, groups, pins, 64, age, t, ttl)
local out = { s.epoch }
local function add(code, seq)
  out[#out + 1] = code
  out[#out + 1] = seq
end
for i = 7, #ARGV, 3 do
  local digest, received = ARGV[i], tonumber(ARGV[i + 1])
  local place = redis.call('HGET', ids, digest)
  local seq, at
  if place then seq, at = string.match(place, '^(%d+):(%d+)$') end
  if place and at + ttl > t then
    add(1, tonumber(seq))
  elseif not room() then
    add(2, 0)
  else
    append(digest, received > 0 and received or t, ARGV[i + 2])
    add(0, s.seq)
  end
end
purge(ids, seen, t, ttl, stored + 2)
save(meta, s)
return out
