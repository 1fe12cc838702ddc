-- Keeps a proof that is claimed by its link's secret alone: no code fits it, and no mail carries it.
--
-- KEYS  1 challenge (hash)   and those of audit.lua
-- ARGV  1 challenge id   2 hash of the secret   3 sealed context   4 life in ms   and those of audit.lua

redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'kind', 'none', 'mac', '', 'link', ARGV[2], 'context', ARGV[3], 'tries', 0)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
local clock = redis.call('TIME')
note(clock[1] * 1000 + math.floor(clock[2] / 1000), 'link_confirmed', '')
return 1
