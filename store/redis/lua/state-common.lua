-- KEYS: a hash of the values by key, a sorted set of the keys in their order, a sorted set
-- of those that expire by when, and a stream of the changes, whose ids are the versions.
-- A value is <version>|<expires, milliseconds, or 0>|<the writer's token>|<value>.
local values, index, expiry, changes = unpack(KEYS)

local function now()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
local function num(n) return string.format('%.0f', n) end

local function parse(v)
  local version, expires, token, value = string.match(v, '^([^|]*)|(%d+)|([^|]*)|(.*)$')
  return version, tonumber(expires), token, value
end

-- live returns what is under a key unless it has expired.
local function live(key, t)
  local v = redis.call('HGET', values, key)
  if not v then return nil end
  local version, expires, token, value = parse(v)
  if expires > 0 and expires <= t then return nil end
  return version, expires, token, value
end

-- tell notes a change for those who follow, and returns its id.
local function tell(key, gone)
  return redis.call('XADD', changes, 'MAXLEN', '~', '10000', '*', 'k', key, 'g', gone)
end

local function remove(key)
  redis.call('HDEL', values, key)
  redis.call('ZREM', index, key)
  redis.call('ZREM', expiry, key)
  tell(key, '1')
end

-- sweep removes some of what has expired.
local function sweep(t, most)
  local gone = redis.call('ZRANGEBYSCORE', expiry, '-inf', num(t), 'LIMIT', 0, most)
  for _, key in ipairs(gone) do remove(key) end
  return #gone
end
