-- at, users
local live = 0
for index = 2, #ARGV do
  for _, handle in ipairs(redis.call('ZRANGE', P .. 'user:' .. ARGV[index], 0, -1)) do
    local _, was_live = finish(handle, ARGV[1])
    if was_live then live = live + 1 end
  end
end
return live
