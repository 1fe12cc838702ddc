-- Takes over wrong guesses that are remembered elsewhere, beside those that are here.
--
-- KEYS  for each address: 1 wrong guesses (list)   2 those of its known devices (list)   3 it has spent its month's guesses
-- ARGV  1 for each address, as JSON: times of the first, times of the second, how long the third holds in ms
--       2 wrong guesses a day   3 those of known devices

local day = 86400000

for place, kept in ipairs(cjson.decode(ARGV[1])) do
    for kind = 1, 2 do
        local key, seen, times = KEYS[3 * place - 3 + kind], {}, {}
        for _, list in ipairs({kept[kind], redis.call('LRANGE', key, '0', '-1')}) do
            -- Of one moment there can be several, and both lists may know them.
            local here = {}
            for _, at in ipairs(list) do
                here[at] = (here[at] or 0) + 1
                if here[at] > (seen[at] or 0) and tonumber(at) > now - day then
                    seen[at] = here[at]
                    table.insert(times, at)
                end
            end
        end
        if #times > 0 then
            table.sort(times)
            redis.call('DEL', key)
            for _, at in ipairs(times) do
                redis.call('RPUSH', key, at)
            end
            redis.call('LTRIM', key, '-' .. ARGV[1 + kind], '-1')
            redis.call('PEXPIRE', key, text(day))
        end
    end
    if tonumber(kept[3]) > 0 then
        redis.call('SET', KEYS[3 * place], '1', 'PX', kept[3])
    end
end
return 1
