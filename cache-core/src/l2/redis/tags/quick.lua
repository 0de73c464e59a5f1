-- KEYS: tags. ARGV: channel, tail and nonce, and for each tag its name and how many milliseconds it is to live at least.
-- Nearly always all that is there is versions older than now, as text of one length: so long there is no function to be
-- made, and no number to be printed. What was to live longer than told need not: only entries that die here wanted that.
do
  local time = redis.call('TIME')
  local now = time[1] .. string.format('%06d', time[2])
  local tail, lines, versions, is_usual = ' ' .. now .. ' ' .. ARGV[2], {}, {}, true
  for _, key in ipairs(KEYS) do
    local before = redis.pcall('GET', key)
    if before and (type(before) ~= 'string' or #before ~= #now or before < '0' or before >= now) then
      is_usual = false
      break
    end
  end
  for i, key in ipairs(is_usual and KEYS or {}) do
    if redis.pcall('SET', key, now, 'PX', ARGV[3 + 2 * i]).err then
      is_usual = false
      break
    end
    versions[i], lines[i] = now, ARGV[2 + 2 * i] .. tail
  end
  if is_usual then
    redis.call('PUBLISH', ARGV[1], table.concat(lines, '\n'))
    return versions
  end
end
