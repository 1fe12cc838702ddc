-- Limits over sliding windows, in front of each script that has one. A list holds the time of each event, the newest last:
-- one look at the place of the limit says how many there are, so that a limit is exact at any moment and costs the same
-- whatever its size.

local hour, day = 3600000, 86400000
local ten_minutes = 600000

-- How long until fewer than `most` events are younger than `length`; 0 if that is so now.
local function wait_of(key, most, length)
    local at = redis.call('LINDEX', key, text(-most))
    at = at and tonumber(string.match(at, '^%d+'))
    return at and math.max(at + length - now, 0) or 0
end

-- Counts an event, by its time unless it says otherwise, in a list that is asked about the last `most` of `length`.
local function count(key, most, length, event)
    if redis.call('RPUSH', key, event or text(now)) > most then
        redis.call('LTRIM', key, text(-most), '-1')
    end
    redis.call('PEXPIRE', key, text(length))
end

-- Whether wrong guesses over all addresses are so many that somebody tries them all.
local function is_tripped(key, in_ten_minutes, in_day)
    return wait_of(key, in_ten_minutes, ten_minutes) > 0 or wait_of(key, in_day, day) > 0
end

