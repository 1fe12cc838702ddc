-- What a creation answered, so that the same request sent again gets the same answer and creates nothing twice. Written
-- in the transaction of the creation.

create table auth.idempotency_keys (
    -- Whoever sent it: another administrator's keys are other keys.
    administrator uuid not null,
    key text not null,
    -- SHA-256 of operation and request: the same key with another request is a mistake.
    request_hash bytea not null,
    -- Sealed: it may hold a secret that is shown once.
    answer bytea not null,
    created_at timestamptz not null default now(),
    primary key (administrator, key),
    constraint idempotency_keys_key_length check (char_length(key) between 1 and 255)
);

create index idempotency_keys_created_at_idx on auth.idempotency_keys (created_at);
