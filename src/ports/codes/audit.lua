-- Puts an event on record, in the step of the act itself: in front of each script that has one to tell.
--
-- KEYS  last but one: events that wait for the database (stream)   last: how many found no room (counter)
-- ARGV  last three: event id, empty where nothing is to be told; what is known of it (JSON); events that may wait

local function note(now, action, outcome)
    local events, dropped, id = KEYS[#KEYS - 1], KEYS[#KEYS], ARGV[#ARGV - 2]
    -- A week: the longest that the database may be away.
    local keep = 604800000
    if id == '' then
        return
    end
    if redis.call('XLEN', events) >= tonumber(ARGV[#ARGV]) then
        redis.call('INCR', dropped)
        redis.call('PEXPIRE', dropped, keep)
        return
    end
    redis.call('XADD', events, '*', 'id', id, 'at', now, 'action', action, 'outcome', outcome, 'about', ARGV[#ARGV - 1])
    redis.call('PEXPIRE', events, keep)
end

