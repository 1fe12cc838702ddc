-- Each site signs with keys of its own. The private part is encrypted under the master secret, which is not here.

create table auth.signing_keys (
    kid text primary key,
    site text not null,
    alg text not null,
    public_jwk jsonb not null,
    wrapped_private_key bytea not null,
    state text not null default 'active',
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint signing_keys_alg_known check (alg in ('ES256', 'RS256')),
    constraint signing_keys_state_known check (state in ('next', 'active', 'retiring', 'gone')),
    constraint signing_keys_kid_form check (kid ~ '^[A-Za-z0-9_-]{1,64}$')
);

-- Two replicas that start on an empty database agree on one key.
create unique index signing_keys_one_active_idx on auth.signing_keys (site, alg) where state = 'active';

create trigger signing_keys_touch_updated_at before update on auth.signing_keys
    for each row execute function auth.touch_updated_at();
