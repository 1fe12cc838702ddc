-- Claims a challenge: counts the guess, then compares, then takes a lease, in one step.
--
-- KEYS  1 challenge (hash)   2 wrong guesses of the address, or of its known devices (list)   3 lease
--       4, 5 wrong proofs of the client and of its network (lists)   6 wrong guesses of all addresses (list)
--       7 they were told to be too many   8 the address has spent its month's guesses   and those of audit.lua
-- ARGV  1 'short', 'long' or 'link'   2 keyed hash of what was presented   3 tries a code   4 wrong guesses a day
--       5 lease in ms   6 lease holder   7 '1': that nothing waits is not told
--       8 wrong proofs of a client in ten minutes, 0: no client counts   9 of a network in an hour
--       10 wrong guesses of all addresses in ten minutes   11 in a day   12 '1': the device is known
--       13 id of the event that they are too many   and those of audit.lua

local client, network = tonumber(ARGV[8]), tonumber(ARGV[9])
local all_in_ten_minutes, all_in_day = tonumber(ARGV[10]), tonumber(ARGV[11])

if client > 0 then
    local wait = math.max(wait_of(KEYS[4], client, ten_minutes), wait_of(KEYS[5], network, hour))
    if wait > 0 then
        return {'client', tostring(wait)}
    end
end

local function refuse(word, reason)
    -- What is told counts for the client: one answer once, however many looks it takes.
    if client > 0 and ARGV[#ARGV - 2] ~= '' then
        count(KEYS[4], client, ten_minutes)
        count(KEYS[5], network, hour)
    end
    note('code_refused', reason)
    return {word}
end

local challenge = redis.call('HMGET', KEYS[1], 'id', 'kind', 'mac', 'link', 'context', 'wrong_at')
local id, kind, mac, link, context, wrong_at = unpack(challenge)
if not id then
    if ARGV[7] == '1' then
        return {'missing'}
    end
    return refuse('missing', 'none_waiting')
end
-- Somebody who proved the code is opening the session right now. Nothing is compared, so nothing is counted.
if redis.call('EXISTS', KEYS[3]) == 1 then
    note('code_refused', 'in_use')
    return {'leased'}
end

if ARGV[1] == 'link' then
    -- 128 random bits need no counting, and counting would let a bad link burn a good code.
    if ARGV[2] ~= link then
        return refuse('wrong', 'wrong_link')
    end
else
    if ARGV[1] ~= kind then
        return refuse('wrong', 'wrong_length')
    end
    if kind == 'short' then
        -- The address has used up its wrong guesses: short codes, this one too, no longer count as proof.
        if wait_of(KEYS[2], tonumber(ARGV[4]), day) > 0 or redis.call('EXISTS', KEYS[8]) == 1 then
            return refuse('wrong', 'guesses_spent')
        end
        if ARGV[12] ~= '1' and is_tripped(KEYS[6], all_in_ten_minutes, all_in_day) then
            return refuse('wrong', 'tripped')
        end
    end
    local tries = redis.call('HINCRBY', KEYS[1], 'tries', '1')
    if ARGV[2] ~= mac then
        if tries >= tonumber(ARGV[3]) then
            redis.call('DEL', KEYS[1])
        end
        if kind ~= 'short' then
            return refuse('wrong', 'wrong_long')
        end
        count(KEYS[2], tonumber(ARGV[4]), day)
        count(KEYS[6], math.max(all_in_ten_minutes, all_in_day), day)
        if redis.call('EXISTS', KEYS[1]) == 1 then
            redis.call('HSET', KEYS[1], 'wrong_at', (wrong_at and wrong_at .. ' ' or '') .. text(now))
        end
        if is_tripped(KEYS[6], all_in_ten_minutes, all_in_day)
            and redis.call('SET', KEYS[7], '1', 'NX', 'PX', text(ten_minutes)) then
            tell(ARGV[13], '{}', 'guessing_tripped', '')
        end
        return refuse('wrong', ARGV[12] == '1' and 'wrong_known' or 'wrong')
    end
    -- They were typing errors of whoever has the code now, and no attack on anybody.
    for at in string.gmatch(wrong_at or '', '%d+') do
        redis.call('LREM', KEYS[6], '-1', at)
    end
end
redis.call('SET', KEYS[3], ARGV[6], 'PX', ARGV[5])
return {'claimed', id, context}
