-- handle, at
local key, was_live = finish(ARGV[1], ARGV[2])
return key and was_live and 1 or 0
