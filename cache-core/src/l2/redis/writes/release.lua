if redis.call('GET', KEYS[1]) ~= ARGV[1] then
  return 0
end
if ARGV[3] == '0' then
  return redis.call('UNLINK', KEYS[1])
end
return redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
