-- ARGV: key, the version that it must have or ''. Returns 0 done, 1 not there, 2 conflict.
local version = live(ARGV[1], now())
if not version then return 1 end
if ARGV[2] ~= '' and version ~= ARGV[2] then return 2 end
remove(ARGV[1])
return 0
