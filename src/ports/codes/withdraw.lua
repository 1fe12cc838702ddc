-- Takes back a claim whose answer was lost: whoever made it does not know that they hold a lease, or whether they do.
-- The try that it cost stays: a newer code may have taken the challenge's place.
--
-- KEYS  1 lease
-- ARGV  1 lease holder

if redis.call('GET', KEYS[1]) == ARGV[1] then
    redis.call('DEL', KEYS[1])
end
return 1
