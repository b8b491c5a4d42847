-- before, at most how many of each kind; says how many sessions went, and how many entries of both kinds were looked at
local gone, limit = 0, ARGV[2]
local over = redis.call('ZRANGEBYSCORE', P .. 'over', '-inf', '(' .. ARGV[1], 'LIMIT', 0, limit)
for _, handle in ipairs(over) do
  local key = key_of(handle)
  if key then
    unlist(handle, key)
    redis.call('ZREM', P .. 'ever:' .. (redis.call('HGET', key, 'user') or ''), handle)
    gone = gone + redis.call('DEL', key)
  else
    redis.call('ZREM', P .. 'sessions', handle)
    redis.call('ZREM', P .. 'live', handle)
  end
  redis.call('DEL', P .. 'handle:' .. handle)
  redis.call('ZREM', P .. 'over', handle)
end
local values = redis.call('ZRANGEBYSCORE', P .. 'once', '-inf', '(' .. ARGV[1], 'LIMIT', 0, limit)
for _, value in ipairs(values) do
  redis.call('DEL', value)
  redis.call('ZREM', P .. 'once', value)
end
return { gone, #over + #values }
