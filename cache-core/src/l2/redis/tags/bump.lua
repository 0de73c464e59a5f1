-- With marks, or versions of the future, or on a full server. What it is given is said in `quick.lua`.
local channel, tail = ARGV[1], ARGV[2]
local now = server_time()
local refused = refusal(KEYS[1])
-- A full server still deletes, and a tag that is not there is a miss.
if refused and not string.find(refused.err, '^OOM') then
  return refused
end

local all, versions, lines = {}, {}, {}
for i, key in ipairs(KEYS) do
  local found = look(key, now, ARGV[3 * i + 2])
  local said
  if #found.others > 0 then
    versions[i], said = mark_of(found.version, found.others), '!'
  elseif refused then
    versions[i], said = false, '0'
  else
    versions[i] = printed(math.max(found.version + 1, now))
    said = versions[i]
  end
  all[i], lines[i] = found, ARGV[3 * i] .. ' ' .. said .. ' ' .. tail
end
redis.call('PUBLISH', channel, table.concat(lines, '\n'))

for i, key in ipairs(KEYS) do
  local found, failed = all[i], nil
  if #found.others > 0 then
    failed = found.is_own and not refused and set(key, versions[i], 'PXAT', printed(found.last))
  elseif refused then
    redis.call('UNLINK', key)
  else
    local lives = math.max(tonumber(ARGV[3 * i + 1]), redis.call('PTTL', key))
    failed = set(key, versions[i], 'PX', printed(lives))
  end
  if failed then
    return failed
  end
end
return versions
