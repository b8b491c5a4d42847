-- where a scan has come to, the idle time, and between when it has to have ended; says where the scan is now, and which of some ended by themselves
local idle, after, till = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local scanned = redis.call('ZSCAN', P .. 'live', ARGV[1], 'COUNT', 200)
local found = {}
for place = 1, #scanned[2], 2 do
  local key = key_of(scanned[2][place])
  local held = key and redis.call('HMGET', key, 'expires_at', 'revoked_at', 'last_seen_at')
  if held and held[1] and not held[2] then
    local ended = math.min(tonumber(held[1]), tonumber(held[3]) + idle)
    if ended > after and ended <= till then table.insert(found, redis.call('HGETALL', key)) end
  end
end
return { scanned[1], found }
