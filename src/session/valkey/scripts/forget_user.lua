-- user, at
local live = 0
for _, handle in ipairs(redis.call('ZRANGE', P .. 'ever:' .. ARGV[1], 0, -1)) do
  local key = key_of(handle)
  if key and redis.call('EXISTS', key) == 1 then
    local _, was_live = finish(handle, ARGV[2])
    if was_live then live = live + 1 end
    redis.call('HDEL', key, 'provider_session', 'provider_subject', 'by_session', 'by_subject', 'sealed_tokens', 'refresh_at',
      'client_address', 'user_agent')
  end
end
return live
