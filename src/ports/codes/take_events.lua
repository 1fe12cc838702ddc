-- Takes a look at the events that wait, as the one who does for now.
--
-- KEYS  1 lease   2 events (stream)   3 how many found no room (counter)
-- ARGV  1 lease holder   2 lease in ms   3 events at most   4 an id for the event that some were dropped
--       5 events that may wait

local dropped = redis.call('GET', KEYS[3])
-- Where nothing waits, nothing is written either, however often somebody looks.
if not dropped and redis.call('XLEN', KEYS[2]) == 0 then
    return {}
end
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
    return {}
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])

-- That events were lost is an event itself, as soon as there is room for one.
if dropped and redis.call('XLEN', KEYS[2]) < tonumber(ARGV[5]) then
    redis.call('XADD', KEYS[2], '*', 'id', ARGV[4], 'at', text(now), 'action', 'audit_events_dropped', 'outcome', dropped,
        'about', '{}')
    redis.call('PEXPIRE', KEYS[2], '604800000')
    redis.call('DEL', KEYS[3])
end
return redis.call('XRANGE', KEYS[2], '-', '+', 'COUNT', ARGV[3])
