-- KEYS: tags. ARGV: channel, tail and nonce, and for each tag its name and how many milliseconds the mark lasts.
local channel, tail, nonce = ARGV[1], ARGV[2], ARGV[3]
local held, lines = {}, {}
for i, key in ipairs(KEYS) do
  local version, writers = look(key)
  local others, was_held = without(writers or '', nonce)
  local lasts = tonumber(ARGV[3 + 2 * i])
  if writers then
    lasts = math.max(lasts, redis.call('PTTL', key))
  end
  local all = others == '' and nonce or others .. ',' .. nonce
  local failed = set(key, mark_of(version, all), 'PX', printed(lasts))
  if failed then
    return failed
  end
  held[i] = was_held and '!'
  if not was_held then
    lines[#lines + 1] = ARGV[2 + 2 * i] .. ' ! ' .. tail
  end
end
if #lines > 0 then
  redis.call('PUBLISH', channel, table.concat(lines, '\n'))
end
return held
