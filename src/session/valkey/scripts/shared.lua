-- What the scripts share. Live sessions are listed by handle in sorted sets, newest first (`-created_at`):
--   doorward:sessions       all                doorward:tenant:ID   of a tenant
--   doorward:user:ID        of a person        doorward:named:DIGEST   of a provider's session or person
-- and with their ends in doorward:live. doorward:over holds all there are, ended or not, by when they expire,
-- and doorward:ever:ID all there are of a person.
-- Everything has a time to live, so that nothing stays when nobody tidies up.
local P = 'doorward:'

-- A key lives as long as what lives longest in it.
local function keep(key, span)
  if redis.call('PTTL', key) < tonumber(span) then redis.call('PEXPIRE', key, span) end
end

local function key_of(handle)
  local digest = redis.call('GET', P .. 'handle:' .. handle)
  return digest and P .. 'session:' .. digest, digest
end

local function lists_of(key)
  local lists = { P .. 'sessions', P .. 'live' }
  local held = redis.call('HMGET', key, 'user', 'by_session', 'by_subject', 'tenant')
  if held[1] then table.insert(lists, P .. 'user:' .. held[1]) end
  if held[2] then table.insert(lists, P .. 'named:' .. held[2]) end
  if held[3] then table.insert(lists, P .. 'named:' .. held[3]) end
  if held[4] then table.insert(lists, P .. 'tenant:' .. held[4]) end
  return lists
end

local function unlist(handle, key)
  for _, list in ipairs(lists_of(key)) do redis.call('ZREM', list, handle) end
end

-- Ends one that has not ended, and says which; the tombstone stays until it is purged.
local function finish(handle, at)
  local key, digest = key_of(handle)
  local held = key and redis.call('HMGET', key, 'expires_at', 'revoked_at')
  if not held or not held[1] or held[2] then return nil end
  redis.call('HSET', key, 'revoked_at', at)
  unlist(handle, key)
  announce('session', digest)
  return key, tonumber(held[1]) > tonumber(at)
end

local function take_once(value, expires_at, span)
  if not redis.call('SET', value, '1', 'NX', 'PX', span) then return false end
  redis.call('ZADD', P .. 'once', expires_at, value)
  keep(P .. 'once', span)
  return true
end
