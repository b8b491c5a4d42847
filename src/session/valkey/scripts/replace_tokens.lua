-- digest, the version seen, sealed tokens, refresh_at or nothing
local key = P .. 'session:' .. ARGV[1]
local held = redis.call('HMGET', key, 'tokens_version', 'revoked_at')
if held[1] ~= ARGV[2] or held[2] then return 0 end
redis.call('HSET', key, 'sealed_tokens', ARGV[3], 'refresh_leased_until', '0')
redis.call('HINCRBY', key, 'tokens_version', 1)
if ARGV[4] ~= '' then
  redis.call('HSET', key, 'refresh_at', ARGV[4])
else
  redis.call('HDEL', key, 'refresh_at')
end
announce('session', ARGV[1])
return 1
