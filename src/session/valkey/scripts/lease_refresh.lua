-- digest, now, until
local key, now = P .. 'session:' .. ARGV[1], tonumber(ARGV[2])
local held = redis.call('HMGET', key, 'expires_at', 'revoked_at', 'refresh_at', 'refresh_leased_until')
local live = held[1] and not held[2] and tonumber(held[1]) > now
if not live or not held[3] or tonumber(held[3]) > now or tonumber(held[4] or 0) > now then return 0 end
redis.call('HSET', key, 'refresh_leased_until', ARGV[3])
return 1
