-- letters changes what becomes of events in a group. ARGV: group, operation (redrive,
-- drop or replay), sequences. Returns how many it found, or -1 without the group.
local log, kept, groups, pins, g, lease, due, retry, dead, died, works, took = unpack(KEYS)
local cursor = redis.call('HGET', groups, ARGV[1])
if not cursor then return -1 end
cursor = tonumber(cursor)
local t = now()

-- schedule makes an event due now, with its attempts forgotten.
local function schedule(seq, value)
  local reason = ''
  if value then reason = select(3, parse(value)) end
  redis.call('HSET', works, seq, work(0, '', reason))
  redis.call('ZADD', due, num(t), seq)
  redis.call('ZADD', retry, seq, seq)
end

local function bury(seq)
  redis.call('ZREM', died, seq)
  return redis.call('ZREM', dead, seq) == 1
end

local op = {}

function op.redrive(seq)
  if not bury(seq) then return false end
  schedule(seq, redis.call('HGET', works, seq))
  return true
end

function op.drop(seq)
  if not bury(seq) then return false end
  redis.call('HDEL', works, seq)
  unpin(pins, kept, seq)
  return true
end

function op.replay(seq)
  local value, logged = redis.call('HGET', works, seq), entry(log, seq)
  if not logged and not value then return false end
  if tonumber(seq) > cursor then return true end -- it waits already
  if value then
    if redis.call('ZSCORE', lease, seq) then return false end
    bury(seq)
  else
    -- An event from before the group's start is counted as the group's from now on.
    if tonumber(seq) <= tonumber(redis.call('HGET', g, 'start')) and redis.call('ZADD', took, 'NX', seq, seq) == 1 then
      redis.call('HINCRBY', g, 'adopted', 1)
    end
    redis.call('HINCRBY', pins, seq, 1)
  end
  schedule(seq, value)
  return true
end

local n = 0
for i = 3, #ARGV do
  if op[ARGV[2]](ARGV[i]) then n = n + 1 end
end
return n
