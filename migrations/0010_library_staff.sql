-- One record a person and library: the only source of power over a library.
--
-- Nobody is granted a write here. Records are made by accepting an invitation or by a decided access request, and
-- change through public.change_staff, public.remove_staff and public.rehire_staff.

create table public.library_staff (
    id uuid primary key default gen_random_uuid(),
    user_id uuid not null references auth.users (id) on delete cascade,
    library_id uuid not null references public.libraries (id) on delete cascade,
    role text not null default 'librarian',
    employment_info jsonb not null
        default '{"employee_id": null, "hire_date": null, "department": null, "work_schedule": null}',
    -- Where this record differs from its role: {"permission": true or false}.
    permissions jsonb not null default '{}',
    status text not null default 'active',
    is_deleted boolean not null default false,
    deleted_at timestamptz,
    deleted_by uuid,
    version integer not null default 1,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    constraint library_staff_user_library_key unique (user_id, library_id),
    constraint library_staff_deleted_by_fkey foreign key (deleted_by)
        references public.library_staff (id) on delete set null,
    constraint library_staff_role_known check (role in ('owner', 'manager', 'librarian', 'volunteer')),
    constraint library_staff_status_known check (status in ('active', 'inactive', 'terminated')),
    constraint library_staff_employment_info_object check (jsonb_typeof(employment_info) = 'object'),
    constraint library_staff_employment_info_size check (octet_length(employment_info::text) <= 4000),
    constraint library_staff_permissions_known check (
        jsonb_typeof(permissions) = 'object'
        and permissions - array['manage_members', 'manage_inventory', 'process_loans', 'manage_staff',
            'admin_settings', 'manage_catalog', 'view_reports'] = '{}'),
    constraint library_staff_permissions_boolean check (
        not jsonb_path_exists(permissions, '$.* ? (@.type() != "boolean")')),
    -- An owner who was denied managing staff could leave a library without anybody who may.
    constraint library_staff_owner_unlimited check (role <> 'owner' or permissions = '{}'),
    constraint library_staff_deleted_when check (is_deleted = (deleted_at is not null)),
    constraint library_staff_deleted_by_whom check (is_deleted or deleted_by is null)
);

-- The unique key answers "what is this person here", these "who is here" and what a removed record leaves behind.
create index library_staff_library_id_idx on public.library_staff (library_id);
create index library_staff_deleted_by_idx on public.library_staff (deleted_by) where deleted_by is not null;

create trigger library_staff_keep_columns before update of id, user_id, library_id, created_at on public.library_staff
    for each row execute function auth.keep_columns('id', 'user_id', 'library_id', 'created_at');
create trigger library_staff_stamp_removal before update on public.library_staff
    for each row when (old.is_deleted is distinct from new.is_deleted) execute function auth.stamp_removal();
create trigger library_staff_touch_version before update on public.library_staff
    for each row execute function auth.touch_version();

-- A library keeps an active owner. Only updates are held to it: the deletion of an account is never refused.
create function auth.keep_an_owner() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    -- Changes to the owners of one library wait for each other here, so that each counts what the others left.
    perform from public.libraries where id = old.library_id for no key update;
    if current_setting('transaction_isolation') = 'read committed' then
        perform from public.library_staff s
          where s.library_id = old.library_id and s.id <> old.id
            and s.role = 'owner' and s.status = 'active' and not s.is_deleted;
    else
        -- The snapshot may be older than the lock: locking a record that has changed since then fails.
        perform from public.library_staff s
          where s.library_id = old.library_id and s.id <> old.id
            and s.role = 'owner' and s.status = 'active' and not s.is_deleted
            for share;
    end if;
    if not found then
        raise exception using errcode = 'DC001', message = 'last_owner';
    end if;
    return new;
end
$$;

create trigger library_staff_keep_an_owner before update on public.library_staff
    for each row when (
        old.role = 'owner' and old.status = 'active' and not old.is_deleted
        and not (new.role = 'owner' and new.status = 'active' and not new.is_deleted)
    ) execute function auth.keep_an_owner();
