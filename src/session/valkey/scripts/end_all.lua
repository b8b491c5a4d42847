-- user, at
local live = 0
for _, handle in ipairs(redis.call('ZRANGE', P .. 'user:' .. ARGV[1], 0, -1)) do
  local _, was_live = finish(handle, ARGV[2])
  if was_live then live = live + 1 end
end
return live
