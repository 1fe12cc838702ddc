-- In front of every script: what time it is, and numbers as Redis takes them.

local time = redis.call('TIME')
-- Milliseconds since 1970.
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Where a number is due, Lua writes it by way of floating point, which takes as long as a whole command.
local function text(number)
    return string.format('%d', number)
end

