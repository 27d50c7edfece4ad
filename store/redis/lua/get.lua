-- get finds an event by its digest. Returns epoch, sequence and record, or nothing.
local meta, log, ids = unpack(KEYS)
local place = redis.call('HGET', ids, ARGV[1])
if not place then return {} end
local seq = seqof(place)
local e = entry(log, seq)
if not e then return {} end
return { redis.call('HGET', meta, 'epoch'), tonumber(seq), e[2][E] }
