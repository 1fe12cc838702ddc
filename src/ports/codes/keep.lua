-- Keeps a proof that is claimed by its link's secret alone: no code fits it, and no mail carries it.
--
-- KEYS  1 challenge (hash)
-- ARGV  1 challenge id   2 hash of the secret   3 sealed context   4 life in ms

redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'kind', 'none', 'mac', '', 'link', ARGV[2], 'context', ARGV[3], 'tries', 0)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
