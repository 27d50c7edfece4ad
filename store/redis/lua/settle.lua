-- settle records how attempts ended. ARGV, for each: token, sequence, kind (done, dead,
-- retry, or postpone: a retry of an attempt that was none), delay, reason. A lease that is not the caller's any more is passed over.
local kept, pins, lease, due, retry, dead, died, works = unpack(KEYS)
local t = now()
for i = 1, #ARGV, 5 do
  local seq, kind = ARGV[i + 1], ARGV[i + 2]
  local value = redis.call('HGET', works, seq)
  local attempts, token
  if value then attempts, token = parse(value) end
  if value and token == ARGV[i] and redis.call('ZREM', lease, seq) == 1 then
    if kind == 'done' then
      redis.call('HDEL', works, seq)
      unpin(pins, kept, seq)
    else
      if kind == 'postpone' then attempts = attempts - 1 end
      redis.call('HSET', works, seq, work(attempts, '', ARGV[i + 4]))
      if kind == 'dead' then
        redis.call('ZADD', dead, seq, seq)
        redis.call('ZADD', died, num(t), seq)
      else
        redis.call('ZADD', due, num(t + tonumber(ARGV[i + 3])), seq)
        redis.call('ZADD', retry, seq, seq)
      end
    end
  end
end
return 1
