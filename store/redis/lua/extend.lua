-- extend renews leases. ARGV: lease, and for each its token and sequence. Returns for
-- each whether it is still held.
local lease, works = unpack(KEYS)
local t = now() + tonumber(ARGV[1])
local out = {}
for i = 2, #ARGV, 2 do
  local value = redis.call('HGET', works, ARGV[i + 1])
  local held = 0
  if value then
    local _, token = parse(value)
    if token == ARGV[i] and redis.call('ZSCORE', lease, ARGV[i + 1]) then
      held = 1
      redis.call('ZADD', lease, num(t), ARGV[i + 1])
    end
  end
  out[#out + 1] = held
end
return out
