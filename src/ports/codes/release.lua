-- Ends a claim: 'spent' deletes the challenge, 'unused' gives it back with the try that it cost.
--
-- KEYS  1 challenge (hash)   2 lease   and those of audit.lua
-- ARGV  1 'spent' or 'unused'   2 challenge id   3 lease holder   4 '1': the claim was by code, which counts tries
--       5 why it led to nothing, for the record   and those of audit.lua

-- A newer code may have replaced the challenge meanwhile: it is not ours to touch.
if redis.call('HGET', KEYS[1], 'id') == ARGV[2] then
    if ARGV[1] == 'spent' then
        redis.call('DEL', KEYS[1])
    elseif ARGV[4] == '1' then
        redis.call('HINCRBY', KEYS[1], 'tries', '-1')
    end
end
if redis.call('GET', KEYS[2]) == ARGV[3] then
    redis.call('DEL', KEYS[2])
end
note('proof_refused', ARGV[5])
return 1
