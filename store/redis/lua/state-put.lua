-- ARGV: key, value, ttl in milliseconds or 0, the version that it must have or '', whether
-- there must be none, the writer's token. Returns the new version, or nothing when the
-- condition does not hold. A writer that asks again, since it did not hear the answer,
-- is told the same.
local key, value, ttl, if_version, if_absent, token = unpack(ARGV)
local t = now()
sweep(t, 16)
local version, _, writer = live(key, t)
if version and writer == token then return { version } end
if if_absent == '1' and version then return {} end
if if_version ~= '' and version ~= if_version then return {} end
local expires = 0
if tonumber(ttl) > 0 then expires = t + tonumber(ttl) end
version = tell(key, '0')
redis.call('HSET', values, key, version .. '|' .. num(expires) .. '|' .. token .. '|' .. value)
redis.call('ZADD', index, 0, key)
if expires > 0 then
  redis.call('ZADD', expiry, num(expires), key)
else
  redis.call('ZREM', expiry, key)
end
return { version }
