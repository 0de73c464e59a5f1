-- KEYS: tags. ARGV: how many milliseconds they are to live at least.
local life, now = tonumber(ARGV[1]), server_time()
local versions, known = {}, {}
for i, key in ipairs(KEYS) do
  -- Many of those who ask together have a tag in common.
  local found = not known[key] and look(key, now)
  if not found then
    versions[i] = known[key]
  elseif #found.others > 0 then
    versions[i] = mark_of(found.version, found.others)
  elseif found.version > 0 and not found.is_marked then
    local left = redis.call('PTTL', key)
    if left >= 0 and left < life then
      redis.call('PEXPIRE', key, ARGV[1])
    end
    versions[i] = printed(found.version)
  else
    -- A dead writer may have changed what the version before its mark is of.
    versions[i] = printed(math.max(found.version + 1, now))
    local failed = set(key, versions[i], 'PX', ARGV[1])
    if failed then
      return failed
    end
  end
  known[key] = versions[i]
end
return versions
