-- read returns a piece of the log. ARGV: from, the bound of the piece, its direction
-- (1 up, 0 down), how many at most, and how many bytes of each record. It stops early once it
-- has a megabyte; one entry at a time is looked at, so that it never holds more than that and
-- one.
-- Returns epoch, trimmed, last, and the entries as sequence and record in turn.
local meta, log = unpack(KEYS)
local from, bound, up, most = ARGV[1], ARGV[2], ARGV[3] == '1', tonumber(ARGV[4])
local s = load(meta)
local list, bytes = {}, 0
while #list < 2 * most and bytes < 1048576 do
  local part
  if up then
    part = redis.call('XRANGE', log, from, bound, 'COUNT', 1)
  else
    part = redis.call('XREVRANGE', log, from, bound, 'COUNT', 1)
  end
  local e = part[1]
  if not e then break end
  list[#list + 1] = tonumber(seqof(e[1]))
  list[#list + 1] = string.sub(e[2][E], 1, tonumber(ARGV[5]))
  bytes = bytes + #list[#list]
  from = num(list[#list - 1] + (up and 1 or -1))
end
return { s.epoch or '', s.trimmed, s.seq, list }
