-- states says what became of an event in each group, without writing. KEYS: log, kept, groups, then
-- six for each group (g, due, dead, died, works, took). ARGV: the sequence, and the groups' names.
-- Returns the time now, when the event was accepted where the log has it (0: it has not), whether it is kept
-- for a group, and for each group that exists: name, state, attempts, when it is due or died, reason, and, where the state is '',
-- cursor, start, whether it was replayed from before the start, adopted, expired.
local log, kept, groups = unpack(KEYS, 1, 3)
local seq = ARGV[1]
local e = entry(log, seq)
local out = { now(), e and tonumber(e[2][A]) or 0, entry(kept, seq) and 1 or 0, {} }

for i = 2, #ARGV do
  local g, due, dead, died, works, took = unpack(KEYS, 4 + (i - 2) * 6, 9 + (i - 2) * 6)
  local cursor = redis.call('HGET', groups, ARGV[i])
  if cursor then
    local value, state, attempts, reason, at = redis.call('HGET', works, seq), '', 0, '', 0
    if value then
      local _
      attempts, _, reason = parse(value)
      local t = redis.call('ZSCORE', due, seq)
      if redis.call('ZSCORE', dead, seq) then
        state, at = 'dead', tonumber(redis.call('ZSCORE', died, seq) or 0)
      elseif t then
        state, at = 'retrying', tonumber(t)
      else
        state = 'in_flight'
      end
    end
    local h = redis.call('HMGET', g, 'start', 'adopted', 'expired')
    local list = out[4]
    list[#list + 1] = {
      ARGV[i], state, attempts, at, reason, tonumber(cursor), tonumber(h[1]), redis.call('ZSCORE', took, seq) and 1 or 0,
      tonumber(h[2]), tonumber(h[3]),
    }
  end
end
return out
