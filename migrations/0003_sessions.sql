-- One row a sign-in on one site. There is no table of refresh tokens: a token proves a value of `refresh_counter`.
--
-- Room is left in each page and nothing a refresh changes is indexed, so that a refresh is a heap-only update.

create table auth.sessions (
    id uuid primary key,
    user_id uuid not null references auth.users (id) on delete cascade,
    site text not null,
    -- The code that opened it. Unique: whatever crashes or repeats, one code opens one session.
    challenge_id uuid not null,
    refresh_counter integer not null default 0,
    refreshed_at timestamptz,
    -- The end of its longest life; idleness is judged against refreshed_at.
    not_after timestamptz not null,
    user_agent text,
    ip inet,
    created_at timestamptz not null default now(),
    constraint sessions_challenge_id_key unique (challenge_id),
    constraint sessions_refresh_counter_natural check (refresh_counter >= 0)
) with (fillfactor = 80);

create index sessions_user_id_idx on auth.sessions (user_id);
