-- drop forgets a group with all it has. ARGV: group. Returns whether it was there.
local kept, groups, pins, g, lease, due, retry, dead, died, works, took = unpack(KEYS)
if redis.call('HDEL', groups, ARGV[1]) == 0 then return 0 end
for _, seq in ipairs(redis.call('HKEYS', works)) do
  unpin(pins, kept, seq)
end
redis.call('UNLINK', g, lease, due, retry, dead, died, works, took)
return 1
