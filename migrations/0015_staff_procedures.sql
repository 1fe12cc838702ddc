-- How staff records change. Who may: the permission manage_staff at that library, and nobody hands out or touches a
-- role that they may not grant. Errors: DC001 last_owner, DC002 illegal_state, DC003 stale_version,
-- DC004 not_found, 42501 if the caller sees the record but may not change it.

-- Finds and locks a record for a caller who may change it, and who has seen its latest version.
create function auth.lock_staff(staff uuid, version integer) returns public.library_staff
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    target public.library_staff;
begin
    select s.* into target from public.library_staff s where s.id = lock_staff.staff;
    if target.id is null or not (
        coalesce(auth.staff_role(target.library_id) in ('owner', 'manager'), false)
        or (target.user_id = auth.uid() and auth.site_kind() = 'management')
    ) then
        raise exception using errcode = 'DC004', message = 'not_found';
    end if;
    -- One change at a time at a library. The rights are asked for afterwards: whoever was dismissed while waiting
    -- here has none left.
    perform from public.libraries l where l.id = target.library_id for no key update;
    if not (auth.has_permission(target.library_id, 'manage_staff')
            and auth.may_grant_role(target.library_id, target.role)) then
        raise insufficient_privilege using message = 'not_allowed';
    end if;
    select s.* into target from public.library_staff s where s.id = lock_staff.staff for update;
    if target.id is null then
        raise exception using errcode = 'DC004', message = 'not_found';
    end if;
    if target.version is distinct from lock_staff.version then
        raise exception using errcode = 'DC003', message = 'stale_version';
    end if;
    return target;
end
$$;

-- Makes a person staff, or takes a former one back, with nothing but the role. For procedures that have asked who may.
create function auth.hire(person uuid, library uuid, role text) returns uuid
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    hired uuid;
begin
    insert into public.library_staff as s (user_id, library_id, role) values (person, library, hire.role)
        on conflict on constraint library_staff_user_library_key do update
        set role = excluded.role, status = 'active', is_deleted = false, permissions = '{}'
        where s.status <> 'active' or s.is_deleted
        returning s.id into hired;
    if hired is null then
        raise exception using errcode = 'DC002', message = 'illegal_state', detail = 'already_staff';
    end if;
    return hired;
end
$$;

-- Changes what is given and keeps the rest. A new role starts without the overrides of the old one.
create function public.change_staff(
    staff uuid,
    version integer,
    role text default null,
    status text default null,
    permissions jsonb default null,
    employment_info jsonb default null
) returns public.library_staff
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    target public.library_staff := auth.lock_staff(change_staff.staff, change_staff.version);
    new_role constant text := coalesce(change_staff.role, target.role);
    new_permissions constant jsonb := coalesce(
        change_staff.permissions, case when new_role = target.role then target.permissions else '{}' end);
begin
    if target.is_deleted then
        raise exception using errcode = 'DC002', message = 'illegal_state', detail = 'removed';
    end if;
    if new_role is distinct from target.role and not auth.may_grant_role(target.library_id, new_role) then
        raise insufficient_privilege using message = 'not_allowed';
    end if;
    if exists (
        select from jsonb_each(new_permissions) as wanted (name, value)
         where wanted.value = 'true' and target.permissions -> wanted.name is distinct from 'true'
           -- A name that nobody knows is for the constraint to refuse.
           and exists (select from public.role_permissions known where known.permission = wanted.name)
           and not auth.has_permission(target.library_id, wanted.name)
    ) then
        raise insufficient_privilege using message = 'not_allowed';
    end if;
    update public.library_staff s
       set role = new_role,
           status = coalesce(change_staff.status, s.status),
           permissions = new_permissions,
           employment_info = coalesce(change_staff.employment_info, s.employment_info)
     where s.id = target.id
    returning s.* into target;
    return target;
end
$$;

-- The record stays, with who removed it and when; the rights are gone at once.
create function public.remove_staff(staff uuid, version integer) returns public.library_staff
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    target public.library_staff := auth.lock_staff(remove_staff.staff, remove_staff.version);
begin
    if target.is_deleted then
        raise exception using errcode = 'DC002', message = 'illegal_state', detail = 'removed';
    end if;
    update public.library_staff s set is_deleted = true, status = 'terminated' where s.id = target.id
    returning s.* into target;
    return target;
end
$$;

-- Takes back somebody who was removed or has left, in the old role or another, without overrides.
create function public.rehire_staff(staff uuid, version integer, role text default null) returns public.library_staff
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
#variable_conflict use_column
declare
    target public.library_staff := auth.lock_staff(rehire_staff.staff, rehire_staff.version);
    new_role constant text := coalesce(rehire_staff.role, target.role);
begin
    if not auth.may_grant_role(target.library_id, new_role) then
        raise insufficient_privilege using message = 'not_allowed';
    end if;
    perform auth.hire(target.user_id, target.library_id, new_role);
    select s.* into target from public.library_staff s where s.id = target.id;
    return target;
end
$$;
