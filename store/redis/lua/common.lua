-- Numbers are kept below 2^53; times are microseconds since 1970 by the server's clock.
local function num(n) return string.format('%.0f', n) end

local function now()
  local t = redis.call('TIME')
  return t[1] * 1000000 + t[2]
end

-- An entry of the log has the id <sequence>-<rank>: the sequence is the position, the
-- rank counts what was accepted. Its fields are m (the latest time of receipt so far),
-- a (when it was accepted), d (the digest of source and id) and e (the record); get
-- their values by name with the indices below.
local M, A, D, E = 2, 4, 6, 8
local function seqof(id) return string.match(id, '^(%d+)') end
local function rankof(id) return tonumber(string.match(id, '-(%d+)$')) end
local function entry(log, seq) return redis.call('XRANGE', log, seq, seq, 'COUNT', 1)[1] end

-- What a group knows of an event: how often it was tried, whose lease it is, and the
-- last error's text.
local function work(attempts, token, reason) return num(attempts) .. ':' .. token .. ':' .. reason end
local function parse(value)
  local attempts, token, reason = string.match(value, '^(%d+):([^:]*):(.*)$')
  return tonumber(attempts), token, reason
end

-- unpin lets go of an event that one group has finished. An event that is only kept for
-- the groups goes with the last of them.
local function unpin(pins, kept, seq)
  if redis.call('HINCRBY', pins, seq, -1) > 0 then return end
  redis.call('HDEL', pins, seq)
  if redis.call('XLEN', kept) == 0 then return end
  local e = entry(kept, seq)
  if e then redis.call('XDEL', kept, e[1]) end
end
