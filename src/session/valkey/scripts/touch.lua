-- digest and moment, again and again
for index = 1, #ARGV, 2 do
  local key = P .. 'session:' .. ARGV[index]
  local held = redis.call('HMGET', key, 'last_seen_at', 'revoked_at')
  if held[1] and not held[2] and tonumber(held[1]) < tonumber(ARGV[index + 1]) then
    redis.call('HSET', key, 'last_seen_at', ARGV[index + 1])
  end
end
return 1
