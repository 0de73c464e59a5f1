local holder = redis.call('GET', KEYS[1])
if holder == ARGV[2] then
  return 1
end
return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[3])
