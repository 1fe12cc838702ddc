-- Issues a code: limits, the code's keyed hash, and the mail that carries it, all or nothing.
--
-- KEYS  1 challenge (hash)   2 sends of the address (list)   3 wrong guesses of the address (list)
--       4 mail queue (stream)   5 mails of the site this hour (counter)   and those of audit.lua
-- ARGV  1 'new', 'replacement': only in place of a code that still waits, whose context is kept,
--         'count': the limits are counted and nothing is issued, or 'counted': they were
--       2 site and purpose   3 gap in ms   4 sends an hour   5 sends a day   6 wrong guesses a day
--       7 mails of the site an hour   8 life in ms
--       9 challenge id   10 hash of the short code   11 hash of the long code   12 hash of the link
--       13 sealed context   14 mail job with the short code   15 mail job with the long code
--       and those of audit.lua
--
-- Lists hold the time of each event, so that every limit is exact at any moment and every key can expire.

local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
local hour, day = 3600000, 86400000

local context = ARGV[13]
if ARGV[1] == 'replacement' then
    context = redis.call('HGET', KEYS[1], 'context')
    if not context then
        note(now, 'code_not_waiting', '')
        return {'nothing', 0}
    end
end

if ARGV[1] ~= 'counted' then
    local in_hour, in_day, first_in_hour, first_in_day = 0, 0, nil, nil
    local wait = 0
    for _, entry in ipairs(redis.call('LRANGE', KEYS[2], 0, -1)) do
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
    if wait > 0 then
        note(now, 'code_limited', 'address')
        return {'too_soon', wait}
    end
    if tonumber(redis.call('GET', KEYS[5]) or '0') >= tonumber(ARGV[7]) then
        note(now, 'code_limited', 'site')
        return {'site_budget', math.max(redis.call('PTTL', KEYS[5]), 1000)}
    end

    redis.call('RPUSH', KEYS[2], now .. ':' .. ARGV[2])
    redis.call('LTRIM', KEYS[2], -tonumber(ARGV[5]), -1)
    redis.call('PEXPIRE', KEYS[2], day)

    if redis.call('INCR', KEYS[5]) == 1 then
        redis.call('PEXPIRE', KEYS[5], hour)
    end

    if ARGV[1] == 'count' then
        return {'counted', 0}
    end
end

local wrong = 0
for _, at in ipairs(redis.call('LRANGE', KEYS[3], 0, -1)) do
    if tonumber(at) > now - day then
        wrong = wrong + 1
    end
end
local long = wrong >= tonumber(ARGV[6])

redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1],
    'id', ARGV[9], 'kind', long and 'long' or 'short', 'mac', long and ARGV[11] or ARGV[10],
    'link', ARGV[12], 'context', context, 'tries', 0)
redis.call('PEXPIRE', KEYS[1], ARGV[8])

redis.call('XADD', KEYS[4], '*', 'job', long and ARGV[15] or ARGV[14])
-- The newest job dies with its code, so the queue may go a little later.
redis.call('PEXPIRE', KEYS[4], 2 * tonumber(ARGV[8]))
note(now, 'code_asked', long and 'long' or 'short')
return {long and 'long' or 'short', 0}
