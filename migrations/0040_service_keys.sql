-- Keys with which programs and people administer the server. The secret is not here: only its keyed hash, under the
-- master secret, so that whoever can write this table still cannot make a key that works.

create table auth.service_keys (
    id uuid primary key,
    name text not null,
    scope text not null,
    secret_mac bytea not null,
    -- Null: until it is revoked.
    expires_at timestamptz,
    revoked_at timestamptz,
    -- To the minute: a key in steady use does not write a row with every request.
    last_used_at timestamptz,
    created_at timestamptz not null default now(),
    constraint service_keys_name_length check (char_length(name) between 1 and 100),
    constraint service_keys_scope_known check (scope in ('read', 'support', 'admin')),
    constraint service_keys_mac_length check (octet_length(secret_mac) = 32)
);
