-- Puts an event on record, in the step of the act itself: in front of each script that has one to tell.
--
-- KEYS  last but one: events that wait for the database (stream)   last: how many found no room (counter)
-- ARGV  last three: event id, empty where nothing is to be told; what is known of it (JSON); events that may wait

local function tell(id, about, action, outcome)
    local events, dropped = KEYS[#KEYS - 1], KEYS[#KEYS]
    -- A week: the longest that the database may be away.
    local keep = '604800000'
    if redis.call('XLEN', events) >= tonumber(ARGV[#ARGV]) then
        redis.call('INCR', dropped)
        redis.call('PEXPIRE', dropped, keep)
        return
    end
    redis.call('XADD', events, '*', 'id', id, 'at', text(now), 'action', action, 'outcome', outcome, 'about', about)
    redis.call('PEXPIRE', events, keep)
end

local function note(action, outcome)
    local id = ARGV[#ARGV - 2]
    if id ~= '' then
        tell(id, ARGV[#ARGV - 1], action, outcome)
    end
end

