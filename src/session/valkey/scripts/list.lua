-- user or nothing, tenant or nothing, seen_after or nothing, limit, now
local user, tenant, seen_after, now = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[5])
local list = P .. 'sessions'
if user ~= '' then list = P .. 'user:' .. user elseif tenant ~= '' then list = P .. 'tenant:' .. tenant end
-- What is over is at the end of the list, and is not looked at once all that is live was found.
local most = math.min(tonumber(ARGV[4]), redis.call('ZCOUNT', P .. 'live', '(' .. ARGV[5], '+inf'))

local function is_meant(key)
  local held = redis.call('HMGET', key, 'expires_at', 'tenant', 'last_seen_at')
  if not held[1] or tonumber(held[1]) <= now then return false end
  if tenant ~= '' and held[2] ~= tenant then return false end
  return not seen_after or tonumber(held[3]) > seen_after
end

local found, from = {}, 0
while #found < most do
  local page = redis.call('ZRANGE', list, from, from + 99)
  if #page == 0 then break end
  from = from + #page
  for _, handle in ipairs(page) do
    local key = key_of(handle)
    if #found < most and key and is_meant(key) then table.insert(found, redis.call('HGETALL', key)) end
  end
end
return found
