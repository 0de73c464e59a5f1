-- Numbers are printed with '%.0f': `tostring` loses digits.
local function printed(number)
  return string.format('%.0f', number)
end

local function server_time()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

-- 0 for what is no version, and for what a double cannot count up.
local function number_of(text)
  if #text > 16 or not string.find(text, '^%d+$') then
    return 0
  end
  local number = tonumber(text)
  return number < 9007199254740991 and number or 0
end

-- What is under a tag: its version, 0 without one, and whether it is marked; by which writers but those of `nonces`, until
-- when those marks last, and whether one of `nonces` has marked it too.
-- A mark is `!version nonce@ends,nonce@ends`: the last version before it, and when each of the marks ends, in milliseconds
-- since 1970. The writer of one that has ended is dead.
local function look(key, now, nonces)
  local found = { version = 0, others = {}, last = 0, is_own = false }
  local value = redis.pcall('GET', key)
  if type(value) ~= 'string' then
    return found
  end
  local version, writers = string.match(value, '^!(%d*) ?(.*)$')
  if not version then
    found.version = number_of(value)
    return found
  end
  found.version, found.is_marked = number_of(version), true
  local own = ',' .. (nonces or '') .. ','
  for writer, ends in string.gmatch(writers, '([^,@]+)@(%d+)') do
    ends = tonumber(ends)
    if string.find(own, ',' .. writer .. ',', 1, true) then
      found.is_own = found.is_own or ends * 1000 > now
    elseif ends * 1000 > now then
      table.insert(found.others, writer .. '@' .. printed(ends))
      found.last = math.max(found.last, ends)
    end
  end
  return found
end

local function mark_of(version, writers)
  return '!' .. printed(version) .. ' ' .. table.concat(writers, ',')
end

-- The error of a write, as its caller would have got it; nothing when it was made. The server's code for it
-- gets lost where `call` raises it, before Redis 7.
local function set(...)
  local reply = redis.pcall('SET', ...)
  if reply and reply.err then
    return { err = string.gsub(reply.err, '^%-', '') }
  end
end

-- Why nothing can be written; nothing where it can. It changes nothing.
-- A script is not rolled back: so it asks, says what it is about to write, which may be refused too, and writes. Nobody
-- reads in between.
local function refusal(key)
  return set(key, '', redis.pcall('GET', key) and 'NX' or 'XX')
end
