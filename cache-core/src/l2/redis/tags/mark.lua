-- KEYS: tags. ARGV: channel and tail, and for each tag its name, how many milliseconds the mark lasts, and its nonce.
local channel, tail = ARGV[1], ARGV[2]
local now = server_time()
local refused = refusal(KEYS[1])
if refused then
  return refused
end

-- Those that it had marked before too: whoever did not listen then hears of them now.
local lines = {}
for i in ipairs(KEYS) do
  lines[i] = ARGV[3 * i] .. ' ! ' .. tail
end
redis.call('PUBLISH', channel, table.concat(lines, '\n'))

local held = {}
for i, key in ipairs(KEYS) do
  local nonce = ARGV[3 * i + 2]
  local found = look(key, now, nonce)
  local ends = math.floor(now / 1000) + tonumber(ARGV[3 * i + 1])
  table.insert(found.others, nonce .. '@' .. printed(ends))
  local last = printed(math.max(ends, found.last))
  local failed = set(key, mark_of(found.version, found.others), 'PXAT', last)
  if failed then
    return failed
  end
  held[i] = found.is_own and '!'
end
return held
