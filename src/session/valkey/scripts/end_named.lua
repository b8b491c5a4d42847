-- at, the one-time value to take or nothing, its end, span to keep it, then by_session and by_subject, again and again
if ARGV[2] ~= '' and not take_once(ARGV[2], ARGV[3], ARGV[4]) then return false end
local ended = {}
for index = 5, #ARGV, 2 do
  local by_session, by_subject = ARGV[index], ARGV[index + 1]
  local list = by_session ~= '' and by_session or by_subject
  for _, handle in ipairs(redis.call('ZRANGE', P .. 'named:' .. list, 0, -1)) do
    local key = key_of(handle)
    if key and (by_subject == '' or redis.call('HGET', key, 'by_subject') == by_subject) then
      local finished, was_live = finish(handle, ARGV[1])
      if finished and was_live then table.insert(ended, redis.call('HGETALL', finished)) end
    end
  end
end
return ended
