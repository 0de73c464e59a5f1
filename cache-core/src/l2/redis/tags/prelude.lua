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

-- The version under a tag, 0 without one, and the nonces of the writers that have marked it.
-- A mark is `!version nonce,nonce`; the version is the last one before it.
local function look(key)
  local value = redis.pcall('GET', key)
  if type(value) ~= 'string' then
    return 0
  end
  local version, writers = string.match(value, '^!(%d*) ?(.*)$')
  if version then
    return number_of(version), writers
  end
  return number_of(value)
end

local function mark_of(version, writers)
  return '!' .. printed(version) .. ' ' .. writers
end

-- The nonces less one, and whether that one was among them.
local function without(writers, nonce)
  local others, was_there = {}, false
  for writer in string.gmatch(writers, '[^,]+') do
    if writer == nonce then
      was_there = true
    else
      others[#others + 1] = writer
    end
  end
  return table.concat(others, ','), was_there
end

-- The error of a write, as its caller would have got it; nothing when it was made. The server's code for it
-- gets lost where `call` raises it, before Redis 7.
local function set(...)
  local reply = redis.pcall('SET', ...)
  if reply.err then
    return { err = string.gsub(reply.err, '^%-', '') }
  end
end
