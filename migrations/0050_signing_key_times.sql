-- Signing keys rotate: next → active → retiring → gone. A key is published from the moment it is made (created_at), so
-- one that is next has been in every verifier's copy of the key set for long before it signs.
--
-- A version of the server that knows only active keys can run beside this one: it reads every key that is not gone,
-- signs with the active one, and makes one only where a site has none.

alter table auth.signing_keys
    add column activated_at timestamptz,
    -- When a key that is next becomes active, if it was published long enough by then.
    add column promote_at timestamptz,
    add column retired_at timestamptz,
    -- When a key that is retiring is gone: its last token has died.
    add column drop_at timestamptz,
    add column gone_at timestamptz,
    -- The longest life of a token that it has signed, so that a shorter life set later forgets no token.
    add column token_life_secs integer not null default 0,
    add constraint signing_keys_next_has_a_time check (state <> 'next' or promote_at is not null),
    add constraint signing_keys_retiring_has_an_end check (state <> 'retiring' or drop_at is not null);

update auth.signing_keys set activated_at = created_at where state = 'active';

-- Two replicas that find a key due agree on one successor.
create unique index signing_keys_one_next_idx on auth.signing_keys (site, alg) where state = 'next';

-- A key that is gone stays gone, whoever says otherwise, and its private part is gone with it.
create function auth.end_signing_key() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    if old.state = 'gone' and new.state <> 'gone' then
        raise exception 'signing key % is gone', old.kid using errcode = 'check_violation';
    end if;
    if new.state = 'gone' then
        new.wrapped_private_key := '';
        new.gone_at := coalesce(new.gone_at, now());
    end if;
    return new;
end
$$;

create trigger signing_keys_end before update on auth.signing_keys
    for each row execute function auth.end_signing_key();
