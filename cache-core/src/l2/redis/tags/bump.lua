-- With marks, or versions of the future. What it is given is said in `quick.lua`.
local channel, tail, nonce = ARGV[1], ARGV[2], ARGV[3]
local now = server_time()
local versions, lines = {}, {}

local function bump(key, life)
  local found = look(key, now, nonce)
  if #found.others > 0 then
    local mark = mark_of(found.version, found.others)
    return mark, '!', found.is_own and set(key, mark, 'PXAT', printed(found.last))
  end
  local next = math.max(found.version + 1, now)
  local lives = math.max(life, redis.call('PTTL', key))
  return printed(next), printed(next), set(key, printed(next), 'PX', printed(lives))
end

-- But for what others have marked: that is a miss already, and would cease to be one.
local function lose_all()
  for i, key in ipairs(KEYS) do
    local found = look(key, now, nonce)
    versions[i] = #found.others > 0 and mark_of(found.version, found.others)
    if not versions[i] then
      redis.call('UNLINK', key)
    end
    lines[i] = ARGV[2 + 2 * i] .. (versions[i] and ' ! ' or ' 0 ') .. tail
  end
end

for i, key in ipairs(KEYS) do
  local value, version, failed = bump(key, tonumber(ARGV[3 + 2 * i]))
  if failed then
    if not string.find(failed.err, '^OOM') then
      return failed
    end
    -- A full server still deletes, and a tag that is not there is a miss.
    lose_all()
    break
  end
  versions[i] = value
  lines[i] = ARGV[2 + 2 * i] .. ' ' .. version .. ' ' .. tail
end
redis.call('PUBLISH', channel, table.concat(lines, '\n'))
return versions
