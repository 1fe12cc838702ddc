-- Issues a code: limits, the code's keyed hash, and the mail that carries it, all or nothing.
--
-- KEYS  1 challenge (hash)   2 sends of the address (list)   3 wrong guesses of the address, or of its known devices (list)
--       4 mail queue (stream)   5 mails of the site this hour (counter)   6 mails to the mail host this hour (counter)
--       7, 8 sends of the client and of its network (lists)   9 wrong guesses of all addresses (list)
--       10 the address cools down   11 sends in reserve (list)   12 the address has spent its month's guesses
--       and those of audit.lua
-- ARGV  1 'new', 'replacement': only in place of a code that still waits, whose context is kept,
--         'count': the limits are counted and nothing is issued, or 'counted': they were
--       2 site and purpose   3 gap in ms   4 sends an hour   5 sends a day   6 wrong guesses a day
--       7 mails of the site an hour   8 mails to the mail host an hour
--       9 sends of a client in ten minutes, 0: no client counts   10 in an hour   11 of a network in an hour
--       12 wrong guesses of all addresses in ten minutes   13 in a day
--       14 sends in reserve an hour, 0: the device is unknown   15 life in ms
--       16 challenge id   17 hash of the short code   18 hash of the long code   19 hash of the link
--       20 hash of the secret that ends it   21 sealed context   22 mail job with the short code
--       23 mail job with the long code
--       and those of audit.lua

local of_site, of_host, cools_down, is_spent = unpack(redis.call('MGET', KEYS[5], KEYS[6], KEYS[10], KEYS[12]))
local reserve = tonumber(ARGV[14])
local is_known = reserve > 0

local context = ARGV[21]
if ARGV[1] == 'replacement' then
    context = redis.call('HGET', KEYS[1], 'context')
    if not context then
        note('code_not_waiting', '')
        return {'nothing', 0}
    end
end

if ARGV[1] ~= 'counted' then
    local client, network = tonumber(ARGV[10]), tonumber(ARGV[11])
    local counts_client = ARGV[9] ~= '0'
    if counts_client then
        local wait = math.max(
            wait_of(KEYS[7], tonumber(ARGV[9]), ten_minutes),
            wait_of(KEYS[7], client, hour),
            wait_of(KEYS[8], network, hour))
        if wait > 0 then
            return {'client', wait}
        end
    end
    -- Its owner did not ask for the mails of before.
    if not is_known and cools_down then
        note('code_limited', 'cooling')
        return {'cooling', math.max(redis.call('PTTL', KEYS[10]), 1000)}
    end

    local in_hour, in_day, first_in_hour, first_in_day = 0, 0, nil, nil
    local wait, from_reserve = 0, false
    for _, entry in ipairs(redis.call('LRANGE', KEYS[2], '0', '-1')) do
        local at, what = string.match(entry, '^(%d+):(.*)$')
        at = tonumber(at)
        if at > now - day then
            in_day = in_day + 1
            first_in_day = first_in_day or at
        end
        if at > now - hour then
            in_hour = in_hour + 1
            first_in_hour = first_in_hour or at
        end
        if what == ARGV[2] then
            wait = math.max(wait, at + tonumber(ARGV[3]) - now)
        end
    end
    if in_hour >= tonumber(ARGV[4]) then
        wait = math.max(wait, first_in_hour + hour - now)
    end
    if in_day >= tonumber(ARGV[5]) then
        wait = math.max(wait, first_in_day + day - now)
    end
    -- Strangers may have used up the mails of the address, and the gap: a known device has some that only it can use.
    if wait > 0 and is_known then
        from_reserve = true
        wait = math.max(
            wait_of(KEYS[11], 1, tonumber(ARGV[3])),
            wait_of(KEYS[11], reserve, hour))
    end
    if wait > 0 then
        note('code_limited', 'address')
        return {'too_soon', wait}
    end
    for place, sent in ipairs({of_site, of_host}) do
        if tonumber(sent or '0') >= tonumber(ARGV[6 + place]) then
            local name = place == 1 and 'site' or 'host'
            note('code_limited', name)
            return {name .. '_budget', math.max(redis.call('PTTL', KEYS[4 + place]), 1000)}
        end
    end

    if from_reserve then
        count(KEYS[11], reserve, hour)
    else
        count(KEYS[2], tonumber(ARGV[5]), day, text(now) .. ':' .. ARGV[2])
    end
    if counts_client then
        count(KEYS[7], client, hour)
        count(KEYS[8], network, hour)
    end
    for _, budget in ipairs({KEYS[5], KEYS[6]}) do
        if redis.call('INCR', budget) == 1 then
            redis.call('PEXPIRE', budget, text(hour))
        end
    end

    if ARGV[1] == 'count' then
        return {'counted', 0}
    end
end

local long = wait_of(KEYS[3], tonumber(ARGV[6]), day) > 0
    or is_spent
    or not is_known and is_tripped(KEYS[9], tonumber(ARGV[12]), tonumber(ARGV[13]))

redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1],
    'id', ARGV[16], 'kind', long and 'long' or 'short', 'mac', long and ARGV[18] or ARGV[17],
    'link', ARGV[19], 'stop', ARGV[20], 'context', context, 'tries', '0')
redis.call('PEXPIRE', KEYS[1], ARGV[15])

redis.call('XADD', KEYS[4], '*', 'job', long and ARGV[23] or ARGV[22])
-- The newest job dies with its code, so the queue may go a little later.
redis.call('PEXPIRE', KEYS[4], text(2 * tonumber(ARGV[15])))
note('code_asked', long and 'long' or 'short')
return {long and 'long' or 'short', 0}
