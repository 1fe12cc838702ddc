-- Ends a challenge that its owner did not ask for, and lets the address cool down.
--
-- KEYS  1 challenge (hash)   2 the address cools down   and those of audit.lua
-- ARGV  1 keyed hash of the secret that ends it   2 how long it cools down in ms   and those of audit.lua

if redis.call('HGET', KEYS[1], 'stop') ~= ARGV[1] then
    return 0
end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[2], '1', 'PX', ARGV[2])
note('code_disowned', '')
return 1
