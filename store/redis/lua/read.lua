-- read returns a piece of the log. ARGV: from, the bound of the piece, its direction
-- (1 up, -1 down) and how many at most. It stops early once it has a megabyte.
-- Returns epoch, trimmed, last, and the entries as sequence and record in turn.
local meta, log = unpack(KEYS)
local from, bound, up, most = ARGV[1], ARGV[2], ARGV[3] == '1', tonumber(ARGV[4])
local s = load(meta)
local list, bytes = {}, 0
while #list < 2 * most and bytes < 1048576 do
  local n = math.min(16, most - #list / 2)
  local part
  if up then
    part = redis.call('XRANGE', log, from, bound, 'COUNT', n)
  else
    part = redis.call('XREVRANGE', log, from, bound, 'COUNT', n)
  end
  for _, e in ipairs(part) do
    list[#list + 1] = tonumber(seqof(e[1]))
    list[#list + 1] = e[2][E]
    bytes = bytes + #e[2][E]
  end
  if #part < n then break end
  from = num(list[#list - 1] + (up and 1 or -1))
end
return { s.epoch or '', s.trimmed, s.seq, list }
