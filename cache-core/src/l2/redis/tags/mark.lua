-- KEYS: tags. ARGV: channel, tail and nonce, and for each tag its name and how many milliseconds the mark lasts.
local channel, tail, nonce = ARGV[1], ARGV[2], ARGV[3]
local now = server_time()
local held, lines = {}, {}
for i, key in ipairs(KEYS) do
  local found = look(key, now, nonce)
  local ends = math.floor(now / 1000) + tonumber(ARGV[3 + 2 * i])
  table.insert(found.others, nonce .. '@' .. printed(ends))
  local last = printed(math.max(ends, found.last))
  local failed = set(key, mark_of(found.version, found.others), 'PXAT', last)
  if failed then
    return failed
  end
  held[i] = found.is_own and '!'
  lines[i] = ARGV[2 + 2 * i] .. ' ! ' .. tail
end
-- Those that it had marked before too: whoever did not listen then hears of them now.
redis.call('PUBLISH', channel, table.concat(lines, '\n'))
return held
