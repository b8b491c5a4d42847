-- digest, handle, span to keep it, created_at, expires_at, then names and values
local key, name = P .. 'session:' .. ARGV[1], P .. 'handle:' .. ARGV[2]
if redis.call('EXISTS', key, name) > 0 then return 0 end
local handle, span = ARGV[2], ARGV[3]
redis.call('HSET', key, unpack(ARGV, 6))
redis.call('PEXPIRE', key, span)
redis.call('SET', name, ARGV[1], 'PX', span)
redis.call('ZADD', P .. 'over', ARGV[5], handle)
keep(P .. 'over', span)
local ever = P .. 'ever:' .. redis.call('HGET', key, 'user')
redis.call('ZADD', ever, ARGV[5], handle)
keep(ever, span)
if redis.call('HEXISTS', key, 'revoked_at') == 0 then
  for _, list in ipairs(lists_of(key)) do
    redis.call('ZADD', list, -tonumber(ARGV[4]), handle)
    keep(list, span)
  end
  redis.call('ZADD', P .. 'live', ARGV[5], handle)
end
return 1
