-- The schema of the identity provider, and the questions a policy asks about the caller.
--
-- The claims of the caller's token arrive as `request.jwt.claims`, set for one transaction by whoever runs the
-- statement: this server, or a PostgREST beside it.

create schema if not exists auth;

comment on schema auth is 'Accounts, sessions, keys and the audit log of the sign-in server';

-- In PL/pgSQL, as policies ask these questions once a row: a function in SQL with a search path of its own would be
-- planned anew by every statement, at three times the cost.

-- nullif: a setting that was once set in a session reads as '' afterwards, not as null.
create function auth.jwt() returns jsonb
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return coalesce(nullif(current_setting('request.jwt.claims', true), ''), '{}')::jsonb;
end
$$;

create function auth.uid() returns uuid
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return nullif(auth.jwt() ->> 'sub', '')::uuid;
end
$$;

create function auth.role() returns text
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return auth.jwt() ->> 'role';
end
$$;

create function auth.email() returns text
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return auth.jwt() ->> 'email';
end
$$;

-- Which kind of site the token was issued for: staff rights exist on management sites only.
create function auth.site_kind() returns text
language plpgsql stable parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return auth.jwt() ->> 'site_kind';
end
$$;

create function auth.touch_updated_at() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    new.updated_at := now();
    return new;
end
$$;

-- For rows that two people may edit: an update names the version it has read, and touches nothing if that is not the
-- version any more.
create function auth.touch_version() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
    new.updated_at := now();
    new.version := old.version + 1;
    return new;
end
$$;
