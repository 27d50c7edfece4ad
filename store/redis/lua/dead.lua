-- dead lists dead letters. ARGV: group, behind which sequence, how many, and after how many
-- bytes of records it ends.
-- Returns epoch, and for each: sequence, attempts, when it died, reason, record.
local meta, log, kept, groups, dead, died, works = unpack(KEYS)
if redis.call('HEXISTS', groups, ARGV[1]) == 0 then return { 'NOGROUP' } end
local bytes, out = 0, { redis.call('HGET', meta, 'epoch') or '' }
for _, seq in ipairs(redis.call('ZRANGEBYSCORE', dead, '(' .. ARGV[2], '+inf', 'LIMIT', 0, tonumber(ARGV[3]))) do
  local value, e = redis.call('HGET', works, seq), entry(log, seq) or entry(kept, seq)
  if value and e then
    if bytes >= tonumber(ARGV[4]) then break end
    bytes = bytes + #e[2][E]
    local attempts, _, reason = parse(value)
    out[#out + 1] = { tonumber(seq), attempts, tonumber(redis.call('ZSCORE', died, seq)), reason, e[2][E] }
  end
end
return out
