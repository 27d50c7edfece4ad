-- ARGV: the lowest key, the key below which to stop, how many. Returns key, version, when
-- it expires and the value of each.
local low, high, most = '[' .. ARGV[1], '(' .. ARGV[2], tonumber(ARGV[3])
local t, out, found = now(), {}, 0
while found < most do
  local keys = redis.call('ZRANGEBYLEX', index, low, high, 'LIMIT', 0, most)
  for _, key in ipairs(keys) do
    local version, expires, _, value = live(key, t)
    if version and found < most then
      found = found + 1
      out[#out + 1], out[#out + 2], out[#out + 3], out[#out + 4] = key, version, expires, value
    end
  end
  if #keys < most then break end
  low = '(' .. keys[#keys]
end
return out
