-- Wrong guesses at six-digit codes, by address: what the code store forgets after a day, or loses, is remembered here for
-- thirty.

create table auth.wrong_guesses (
    -- That of its event in the audit log, so that one that is told twice is one.
    id uuid primary key,
    -- The address, by its keyed hash: it need not have an account.
    address_tag bytea not null,
    -- By a device whose owner has signed in with it.
    known boolean not null,
    guessed_at timestamptz not null,
    constraint wrong_guesses_tag_length check (octet_length(address_tag) = 16)
);

create index wrong_guesses_address_tag_idx on auth.wrong_guesses (address_tag, guessed_at desc);
create index wrong_guesses_guessed_at_idx on auth.wrong_guesses (guessed_at);
