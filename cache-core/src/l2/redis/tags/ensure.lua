-- KEYS: tags. ARGV: how many milliseconds they are to live at least.
local life, now = tonumber(ARGV[1]), server_time()
local found = {}
for i, key in ipairs(KEYS) do
  local version, writers = look(key)
  if writers then
    found[i] = mark_of(version, writers)
  elseif version > 0 then
    local left = redis.call('PTTL', key)
    if left >= 0 and left < life then
      redis.call('PEXPIRE', key, ARGV[1])
    end
    found[i] = printed(version)
  else
    local failed = set(key, printed(now), 'PX', ARGV[1])
    if failed then
      return failed
    end
    found[i] = printed(now)
  end
end
return found
