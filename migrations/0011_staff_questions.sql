-- What a policy, a procedure or an application asks about the caller's staff rights.
--
-- All of it is about the bearer of the token, read from the tables at the moment of asking: no function takes a
-- user, and no claim but the subject and the kind of site is believed. Definer functions, because a rule on
-- library_staff that reads library_staff under its own rules would never end. In PL/pgSQL as auth.uid() is.

-- The caller's own records that are in force. A token of a reader site has none, whoever holds it.
create view auth.my_records with (security_invoker = true) as
select s.id, s.library_id, s.role, s.permissions, l.code, l.name, l.status as library_status
  from public.library_staff s
  join public.libraries l on l.id = s.library_id
 where s.user_id = auth.uid()
   and auth.site_kind() = 'management'
   and s.status = 'active'
   and not s.is_deleted
   and not exists (select from auth.users u where u.id = s.user_id and u.banned_until > now());

-- Those that count: of libraries that are active.
create view auth.my_staff with (security_invoker = true) as
select id, library_id, role, permissions, code, name from auth.my_records where library_status = 'active';

-- Every permission at every library of the caller: what the record says, else what its role says.
create view auth.my_rights with (security_invoker = true) as
select m.library_id, m.code, named.permission,
       coalesce((m.permissions ->> named.permission)::boolean, granted.role is not null) as allowed
  from auth.my_staff m
 cross join (select permission from public.role_permissions where role = 'owner') as named
  left join public.role_permissions granted on granted.role = m.role and granted.permission = named.permission;

-- The caller's role at a library, or null.
create function auth.staff_role(library uuid) returns text
language plpgsql stable security definer parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return (select m.role from auth.my_staff m where m.library_id = library);
end
$$;

-- The caller's staff record at a library, or null.
create function auth.staff_id(library uuid) returns uuid
language plpgsql stable security definer parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return (select m.id from auth.my_staff m where m.library_id = library);
end
$$;

-- The libraries where the caller is staff. Few for anybody: a policy asks once a statement and looks them up.
create function auth.staff_library_ids() returns setof uuid
language plpgsql stable security definer parallel safe rows 5
set search_path = pg_catalog, pg_temp
as $$
begin
    return query select m.library_id from auth.my_staff m;
end
$$;

-- The libraries that the caller owns, whether or not they are active.
create function auth.owned_library_ids() returns setof uuid
language plpgsql stable security definer parallel safe rows 2
set search_path = pg_catalog, pg_temp
as $$
begin
    return query select m.library_id from auth.my_records m where m.role = 'owner';
end
$$;

-- Whether the caller may do something, by its name, at a library.
create function auth.has_permission(library uuid, permission text) returns boolean
language plpgsql stable security definer parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return exists (
        select from auth.my_rights r where r.library_id = library and r.permission = has_permission.permission and r.allowed
    );
end
$$;

-- The catalogue is shared, so power over it is too: from any library.
create function auth.has_catalog_power() returns boolean
language plpgsql stable security definer parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return exists (select from auth.my_rights r where r.permission = 'manage_catalog' and r.allowed);
end
$$;

-- Whether the caller may hand out a role, or touch a record that has it: an owner any, everybody else those below
-- their own. It says nothing about being allowed to manage staff at all.
create function auth.may_grant_role(library uuid, role text) returns boolean
language plpgsql stable security definer parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
    ranks constant text[] := array['owner', 'manager', 'librarian', 'volunteer'];
    mine constant text := auth.staff_role(library);
    wanted constant integer := array_position(ranks, may_grant_role.role);
begin
    return coalesce(wanted is not null and (mine = 'owner' or array_position(ranks, mine) < wanted), false);
end
$$;

-- Everything an application wants to know at once.
create function auth.my_permissions() returns jsonb
language plpgsql stable security definer parallel safe
set search_path = pg_catalog, pg_temp
as $$
begin
    return jsonb_build_object(
        'is_reader', exists (select from auth.users u where u.id = auth.uid()),
        'is_library_staff', exists (select from auth.my_staff),
        'staff_libraries', (
            select coalesce(jsonb_agg(
                       jsonb_build_object('id', m.library_id, 'code', m.code, 'name', m.name, 'role', m.role)
                       order by m.name, m.code), '[]')
              from auth.my_staff m
        ),
        'staff_permissions', (
            select coalesce(jsonb_object_agg(library.code, library.permissions), '{}')
              from (select r.code, jsonb_object_agg(r.permission, r.allowed) as permissions
                      from auth.my_rights r group by r.code) as library
        )
    );
end
$$;
