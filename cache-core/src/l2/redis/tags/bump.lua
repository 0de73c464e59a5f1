-- KEYS: tags. ARGV: channel, tail and nonce, and for each tag its name and how many milliseconds it is to live at least.
local channel, tail, nonce = ARGV[1], ARGV[2], ARGV[3]
local now = server_time()
local versions, lines = {}, {}

local function bump(key, life)
  local version, writers = look(key)
  local others = writers and without(writers, nonce) or ''
  if others ~= '' then
    local mark = mark_of(version, others)
    return mark, '!', others ~= writers and set(key, mark, 'KEEPTTL') or nil
  end
  local next = math.max(version + 1, now)
  local lives = math.max(life, redis.call('PTTL', key))
  return printed(next), printed(next), set(key, printed(next), 'PX', printed(lives))
end

local function lose_all()
  for i, key in ipairs(KEYS) do
    redis.call('UNLINK', key)
    versions[i] = false
    lines[i] = ARGV[2 + 2 * i] .. ' 0 ' .. tail
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
