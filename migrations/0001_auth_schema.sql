-- The schema of the identity provider, and the questions a policy asks about the caller.
--
-- The claims of the caller's token arrive as `request.jwt.claims`, set for one transaction by whoever runs the
-- statement: this server, or a PostgREST beside it.

create schema if not exists auth;

comment on schema auth is 'Accounts, sessions, keys and the audit log of the sign-in server';

-- nullif: a setting that was once set in a session reads as '' afterwards, not as null.
create function auth.jwt() returns jsonb
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
return coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::jsonb;

create function auth.uid() returns uuid
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
return nullif(auth.jwt() ->> 'sub', '')::uuid;

create function auth.role() returns text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
return auth.jwt() ->> 'role';

create function auth.email() returns text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
return auth.jwt() ->> 'email';

-- Which kind of site the token was issued for: staff rights exist on management sites only.
create function auth.site_kind() returns text
language sql stable parallel safe
set search_path = pg_catalog, pg_temp
return auth.jwt() ->> 'site_kind';

create function auth.touch_updated_at() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    new.updated_at := now();
    return new;
end
$$;
