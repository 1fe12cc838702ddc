-- Keeps a proof that we do not mail: claimed by its link's secret, and by a short code where it has one.
--
-- KEYS  1 challenge (hash)   and those of audit.lua
-- ARGV  1 challenge id   2 hash of the secret   3 sealed context   4 life in ms
--       5 'short', or 'none': no code fits it   6 hash of the short code   and those of audit.lua

redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'id', ARGV[1], 'kind', ARGV[5], 'mac', ARGV[6], 'link', ARGV[2], 'context', ARGV[3], 'tries', '0')
redis.call('PEXPIRE', KEYS[1], ARGV[4])
note('link_confirmed', '')
return 1
