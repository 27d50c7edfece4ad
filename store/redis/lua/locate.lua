-- locate returns the sequence behind which a start begins, or nil when it is not kept.
local function locate(log, s, kind, value)
  if kind == 'now' then return s.seq end
  if kind == 'after' then
    if value < s.trimmed or value > s.seq then return nil end
    return value
  end
  if kind ~= 'since' then return s.trimmed end
  -- The marks never fall, so that the log can be bisected by time.
  local lo, hi = s.trimmed, s.seq
  while lo < hi do
    local mid = math.ceil((lo + hi) / 2)
    local e = redis.call('XRANGE', log, num(mid), '+', 'COUNT', 1)[1]
    if e and tonumber(e[2][M]) < value then
      lo = tonumber(seqof(e[1]))
    else
      hi = mid - 1
    end
  end
  return lo
end
