-- Whether wrong guesses over all addresses are too many.
--
-- KEYS  1 wrong guesses of all addresses (list)
-- ARGV  1 in ten minutes   2 in a day

return is_tripped(KEYS[1], tonumber(ARGV[1]), tonumber(ARGV[2]))
