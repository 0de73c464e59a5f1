-- KEYS: tags. ARGV: channel and tail, and for each tag its name, how many milliseconds it is to live at least, and the nonces
-- whose marks end, with commas between them.
-- Nearly always all that is there is versions older than now, as text of one length: so long there is no function to be
-- made, and no number to be printed. What was to live longer than told need not: only entries that die here wanted that.
do
  local time = redis.call('TIME')
  local now = time[1] .. string.format('%06d', time[2])
  local tail, lines, versions, is_usual = ' ' .. now .. ' ' .. ARGV[2], {}, {}, true
  local first
  for i, key in ipairs(KEYS) do
    local before = redis.pcall('GET', key)
    if before and (type(before) ~= 'string' or #before ~= #now or before < '0' or before >= now) then
      is_usual = false
      break
    end
    first = first or (before and 'NX' or 'XX')
    versions[i], lines[i] = now, ARGV[3 * i] .. tail
  end
  -- Why it is asked first, and then said, is said in `prelude.lua`.
  if is_usual and not redis.pcall('SET', KEYS[1], now, first) then
    redis.call('PUBLISH', ARGV[1], table.concat(lines, '\n'))
    for i, key in ipairs(KEYS) do
      redis.call('SET', key, now, 'PX', ARGV[3 * i + 1])
    end
    return versions
  end
end
