-- A change of address that is under way: one a person. The account keeps its address until both mailboxes are proven.

create table auth.email_changes (
    user_id uuid primary key references auth.users (id) on delete cascade,
    -- Names this change: the codes of an earlier one carry another id and fit no more.
    id uuid not null,
    -- Whoever signs out, or is signed out, takes back what they have asked for.
    session_id uuid not null references auth.sessions (id) on delete cascade,
    site text not null,
    -- Not unique: many may want an address, and auth.users decides who gets it.
    new_email text not null,
    current_proven_at timestamptz,
    new_proven_at timestamptz,
    requested_at timestamptz not null default now(),
    expires_at timestamptz not null,
    constraint email_changes_new_email_canonical
        check (new_email = lower(new_email) and octet_length(new_email) between 3 and 254)
);

-- For the cascade from sessions.
create index email_changes_session_id_idx on auth.email_changes (session_id);
