-- Claims a challenge: counts the guess, then compares, then takes a lease, in one step.
--
-- KEYS  1 challenge (hash)   2 wrong guesses of the address (list)   3 lease   and those of audit.lua
-- ARGV  1 'short', 'long' or 'link'   2 keyed hash of what was presented   3 tries a code   4 wrong guesses a day
--       5 lease in ms   6 lease holder   7 '1': that nothing waits is not told   and those of audit.lua

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local day = 86400000

local challenge = redis.call('HMGET', KEYS[1], 'id', 'kind', 'mac', 'link', 'context')
local id, kind, mac, link, context = unpack(challenge)
if not id then
    if ARGV[7] ~= '1' then
        note(now, 'code_refused', 'none_waiting')
    end
    return {'missing'}
end
-- Somebody who proved the code is opening the session right now. Nothing is compared, so nothing is counted.
if redis.call('EXISTS', KEYS[3]) == 1 then
    note(now, 'code_refused', 'in_use')
    return {'leased'}
end

local right
if ARGV[1] == 'link' then
    -- 128 random bits need no counting, and counting would let a bad link burn a good code.
    right = ARGV[2] == link
else
    if ARGV[1] ~= kind then
        note(now, 'code_refused', 'wrong')
        return {'wrong'}
    end
    local wrong = 0
    for _, at in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
        if tonumber(at) > now - day then
            wrong = wrong + 1
        end
    end
    -- The address has used up its wrong guesses: short codes, this one too, no longer count as proof.
    if kind == 'short' and wrong >= tonumber(ARGV[4]) then
        note(now, 'code_refused', 'guesses_spent')
        return {'wrong'}
    end
    local tries = redis.call('HINCRBY', KEYS[1], 'tries', 1)
    right = ARGV[2] == mac
    if not right then
        redis.call('RPUSH', KEYS[2], now)
        redis.call('LTRIM', KEYS[2], -tonumber(ARGV[4]), -1)
        redis.call('PEXPIRE', KEYS[2], day)
        if tries >= tonumber(ARGV[3]) then
            redis.call('DEL', KEYS[1])
        end
    end
end
if not right then
    note(now, 'code_refused', 'wrong')
    return {'wrong'}
end
redis.call('SET', KEYS[3], ARGV[6], 'PX', ARGV[5])
return {'claimed', id, context}
