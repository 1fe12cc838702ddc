-- The roles that everything else is granted to, and the least each of them needs.
--
-- Files in this folder are declarations: `doorcode migrate` applies all of them, in order of name, in one
-- transaction, every time. Each drops what it is about to declare.

do $$
declare
    wanted text;
begin
    -- anon: no session. authenticated: any session. service_role: a trusted back end.
    -- doorcode_server: what the server's own login role is a member of.
    -- doorcode_admin: what an administrator's request on libraries runs as. The login role is a member too, and inherits
    -- its grants; policies for it therefore ask for `current_user`, so that it has to be taken on.
    foreach wanted in array array['anon', 'authenticated', 'service_role', 'doorcode_server', 'doorcode_admin'] loop
        if not exists (select from pg_roles where rolname = wanted) then
            execute format('create role %I nologin', wanted);
        end if;
    end loop;
end
$$;

-- Nobody but the owner makes anything in these schemas (CVE-2018-1058), and nothing is callable by default.
revoke create on schema public from public;
revoke all on schema auth from public;
revoke all on all tables in schema auth from public, anon, authenticated, service_role, doorcode_server,
    doorcode_admin;
revoke all on all functions in schema auth from public, anon, authenticated, service_role, doorcode_server,
    doorcode_admin;

-- Nor a temporary table that shadows one of ours. The database's owner alone may say so.
do $$
begin
    if exists (select from pg_database where datname = current_database() and pg_has_role(datdba, 'usage')) then
        execute format('revoke temporary on database %I from public', current_database());
    end if;
end
$$;

grant usage on schema public to anon, authenticated, service_role, doorcode_server, doorcode_admin;
grant usage on schema auth to anon, authenticated, service_role, doorcode_server, doorcode_admin;
grant execute on function auth.jwt(), auth.uid(), auth.role(), auth.email(), auth.site_kind()
    to anon, authenticated, service_role, doorcode_server;

-- The record of applied migrations: the server reads it to see that the schema is the one it was built with.
alter table auth.schema_migrations enable row level security;
alter table auth.schema_migrations force row level security;
grant select on auth.schema_migrations to doorcode_server;

drop policy if exists server on auth.schema_migrations;
create policy server on auth.schema_migrations for select to doorcode_server using (true);

drop policy if exists owner on auth.schema_migrations;
create policy owner on auth.schema_migrations to current_user using (true) with check (true);
